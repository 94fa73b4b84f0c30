"""What an earlier export has left where a new one goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from search.errors import UserError
from search.exporters import Exporter, file_names
from search.report.card import CARD_FILE, MARK
from search.results.labels import ModelLabels, read_labels


def check_earlier(
    target: Path, labels: ModelLabels, exporters: Mapping[str, Exporter], *, overwrite: bool
) -> list[Path]:
    """Files of another export in `target`, which its labels would not describe any more.

    Raises:
        UserError: there are some, or a file of somebody else is in the way, and they are not to be replaced.
    """
    try:
        earlier = read_labels(target)
    except UserError:
        if not overwrite:
            raise
        earlier = None
    there = [target / name for name in file_names() if (target / name).exists()]
    card = target / CARD_FILE
    foreign = [card] if card.is_file() and not card.read_bytes().startswith(MARK.encode()) else []
    if earlier is None:
        written = {exporter.name for exporter in exporters.values()}
        foreign += [path for path in there if path.name in written]
        there = []
    elif _is_same(earlier, labels):
        there = []
    if (there or foreign) and not overwrite:
        names = ", ".join(path.name for path in (*there, *foreign))
        what = (
            f"of trial {earlier.trial_id} of {earlier.study} ({earlier.output})" if there and earlier else "not by us"
        )
        raise UserError(
            f"{target} holds {names} {what}. Choose another --to, or replace what is there with --overwrite."
        )
    return there


def _is_same(earlier: ModelLabels, labels: ModelLabels) -> bool:
    """Whether models of one description may lie beside those of the other."""
    same = ("study", "trial_id", "output", "dynamic", "image_size", "classes")
    return all(getattr(earlier, name) == getattr(labels, name) for name in same)
