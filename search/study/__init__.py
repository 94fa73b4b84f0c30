"""The study folder: its configuration, its lock, the ids and columns of its files."""

from search.study.folder import Study, open_study

__all__ = ["Study", "open_study"]
