"""Which trial is next: the oracle, its schedule, its trials, the configurations and their limits."""
