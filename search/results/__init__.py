"""What a study yields: CSV tables, TensorBoard summaries, `best.toml`, kept checkpoints, data frames.

```python
from search import results

trials, epochs = results.load("results/demo", "results/other")
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search.results.snapshot import Snapshot, snapshot_from_disk, snapshot_of_rows, trial_rows

if TYPE_CHECKING:
    from search.results.frames import Results, load

__all__ = ["Results", "Snapshot", "load", "snapshot_from_disk", "snapshot_of_rows", "trial_rows"]


def __getattr__(name: str) -> Any:
    """Load the data frames with the first use of them: the commands that need none start without pandas."""
    if name not in ("Results", "load"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from search.results import frames

    return getattr(frames, name)
