"""What can be searched, one hyperparameter at a time: how it is written, where it exists, which values are offered."""
