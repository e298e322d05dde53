"""A request sent again with the same key gets the answer it got, and does nothing twice."""
