"""Which images a command line names: files, folders, and patterns."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datasets import IMAGE_SUFFIXES
from search.errors import UserError
from search.system.wording import listed, plural

# Skipped files that are named; of the others, only the number is said.
MOST_NAMES = 5


def expand(paths: Sequence[Path]) -> list[Path]:
    """`paths` with what patterns match in place of them. Raises UserError for one that matches nothing."""
    found: list[Path] = []
    for path in paths:
        # A file may be called like a pattern.
        if path.exists() or not glob.has_magic(str(path)):
            found.append(path)
            continue
        matches = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - may be absolute
        images = [match for match in matches if _is_image(match) and not match.is_dir()]
        if not images:
            raise UserError(f"no image matches {path}; expected {', '.join(IMAGE_SUFFIXES)} files.")
        found += images
    return list(dict.fromkeys(found))


def find_images(paths: Sequence[Path], *, recursive: bool = False, leave_out: Path | None = None) -> dict[Path, Path]:
    """The image files among `paths` and in the folders among them: directly, or in folders of theirs too.

    Args:
        paths: files and folders.
        recursive: whether folders in folders are looked into.
        leave_out: a folder that is not looked into: where results go.

    Returns:
        Of each image, the folder in which it was found, relative to the one that was named.

    Raises:
        UserError: a path does not exist, or a folder holds no images.
    """
    files: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            found = {
                entry: entry.parent.relative_to(path)
                for entry in _files_in(path, recursive=recursive)
                if _is_image(entry) and (leave_out is None or entry.parent == path or leave_out not in entry.parents)
            }
            if not found:
                others = others_in([path], recursive=recursive)
                held = f"; it holds {others}" if others else ""
                deeper = "" if recursive else " (folders in it are read with --recursive)"
                raise UserError(f"{path} holds no images; expected {', '.join(IMAGE_SUFFIXES)} files{held}{deeper}.")
            files |= found
        elif path.is_file():
            files[path] = Path()
        else:
            raise UserError(f"image {path} does not exist.")
    return files


def others_in(paths: Sequence[Path], *, recursive: bool = False) -> str:
    """What folders hold beside images, such as "3 .gif files (a.gif, b.gif, c.gif)"; empty if there is nothing."""
    folders = [path for path in paths if path.is_dir()]
    others = [entry for path in folders for entry in _files_in(path, recursive=recursive) if not _is_image(entry)]
    if not others:
        return ""
    kinds = Counter(entry.suffix.lower() or entry.name for entry in others)
    counts = listed([plural(count, f"{kind} file") for kind, count in kinds.most_common()], most=5)
    return f"{counts} ({listed([entry.name for entry in others], MOST_NAMES)})"


def _files_in(folder: Path, *, recursive: bool) -> list[Path]:
    """What lies in a folder, except for folders and hidden files: macOS adds a `._x.png` to `x.png`."""
    entries = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(entry for entry in entries if not _is_hidden(entry.relative_to(folder)) and not entry.is_dir())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES
