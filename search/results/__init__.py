"""What a study yields: CSV tables, TensorBoard summaries, `best.toml`, kept checkpoints, data frames.

```python
from search import results

trials, epochs = results.load("results/demo", "results/other")
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.results.frames import Results, load

__all__ = ["Results", "load"]


def __getattr__(name: str) -> Any:
    """Load the data frames with the first use of them: the commands that need none start without pandas."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from search.results import frames

    return getattr(frames, name)
