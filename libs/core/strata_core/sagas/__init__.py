"""What crosses the stores ends all or nothing: sagas declared as data, and what is known of each that runs."""
