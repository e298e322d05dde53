"""How people come to belong to an organization: asked by mail, and by their own will."""
