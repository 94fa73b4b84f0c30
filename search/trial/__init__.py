"""What runs in the process of a trial, from a `TrialSpec` to an `Outcome`."""
