"""What has no knowledge of a search: files, TOML, disk, machine, event files, numbers in words."""
