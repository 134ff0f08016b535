"""Reading an APT archive: its signed Release files and the indices they vouch for."""
