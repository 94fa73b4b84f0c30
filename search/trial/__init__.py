"""What runs in the process of a trial, from a `TrialSpec` to an `Outcome`."""

from search.trial.contract import Device, Outcome, TrialSpec

__all__ = ["Device", "Outcome", "TrialSpec"]
