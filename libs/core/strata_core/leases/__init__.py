"""What only one of several workers may do at a time: leases by the database's clock."""
