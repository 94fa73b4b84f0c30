"""The study's images, decoded and resized once before its first trial."""

from __future__ import annotations

import shutil

from datasets import DataError, Dataset
from datasets.cache import build_cache, bytes_per_image, cached_counts
from search.errors import UserError
from search.study.config import StudyConfig
from search.study.folder import Study
from search.system.disk import free_bytes
from search.terminal.console import reading_progress
from search.terminal.live import SearchConsole

# Share of the free disk space that the cache may take: checkpoints need some too.
DISK_SHARE = 0.5


def decode_images(study: Study, config: StudyConfig, dataset: Dataset, console: SearchConsole) -> None:
    """Build the study's cache if it is not complete yet, as large as `[data] cache` allows, if there is room for it.

    Raises:
        UserError: an image cannot be read.
    """
    folder, limit = study.data_cache(config), config.data.cache_bytes
    needed = sum(cached_counts(dataset, limit).values()) * bytes_per_image(dataset)
    # A cache that exists already takes no further room.
    if not folder.exists() and needed > DISK_SHARE * free_bytes(study.folder):
        console.say(
            f"note: too little room on the disk for {needed / 2**30:.1f} GB of decoded images: each trial reads the "
            "images anew every epoch. [data] cache limits how many GB are kept.",
            "yellow",
        )
        return
    try:
        with reading_progress(console.console, "decoding") as progress:
            build_cache(folder, dataset, limit, progress)
    except DataError as error:
        raise UserError(f"[data] {error}") from None


def drop_images(study: Study) -> None:
    """Remove the cache of a search that is over."""
    shutil.rmtree(study.cache, ignore_errors=True)
