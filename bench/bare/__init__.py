"""The denominators: stores fed in a process of their own, with nothing of Strata around them."""
