"""The terminal: the live screen and the tables of a search."""
