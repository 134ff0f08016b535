"""Taking into the registry what was published: from an APT archive, or from a manifest."""
