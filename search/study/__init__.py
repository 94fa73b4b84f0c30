"""The study folder: its configuration, its lock, the ids and columns of its files."""
