"""What a study yields: CSV tables, TensorBoard summaries, `best.toml`, kept checkpoints, data frames."""

from search.results.frames import Results, load

__all__ = ["Results", "load"]
