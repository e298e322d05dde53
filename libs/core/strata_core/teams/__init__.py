"""Teams: members who hold the roles of the team together."""
