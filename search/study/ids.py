"""Ids of trials."""

from __future__ import annotations

import re

BASELINE = "baseline"


# What an id may be to name a folder of the study, whatever file it was read from.
TRIAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


TRIAL_ID = re.compile(rf"{BASELINE}|\d{{4,}}-\d{{1,3}}")
