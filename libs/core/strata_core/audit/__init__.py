"""Who changed what, and when: written with every change, in its transaction."""
