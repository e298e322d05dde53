"""Who belongs to an organization, and how they stop to."""
