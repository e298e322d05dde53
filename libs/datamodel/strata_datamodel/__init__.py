"""What things are: ids, entities, events, errors, limits and tables. No I/O."""
