"""The searchable hyperparameters: how each is written, under which condition it exists, which values are offered."""
