"""Helpers that are independent of the search: files, TOML, disk, machine, event files, numbers in words."""
