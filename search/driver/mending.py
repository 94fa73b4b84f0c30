"""A study's files after a fault: what is damaged, and what can be repaired from the others.

Nothing here decides on trials. Files that follow from the trials (`oracle.json`, `trials.csv`, `epochs.csv`,
`best.toml`, TensorBoard's) are left to the next run, which writes them anew wherever they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from search.oracle.latency import is_latency_file
from search.oracle.start import is_start_file
from search.oracle.trials import FILE, is_of_stock_tuner, is_trial_file
from search.study.folder import Study
from search.system.files import backup_of, is_being_written, read_json, write_atomically
from search.trial.checkpoint import PARTIAL, STATE, read_state, weights_file


def mend(study: Study) -> list[str]:
    """Repair what can be repaired; returns one line per damaged file, with what becomes of it. For the driver alone."""
    mended = [*_mend_configuration(study), *_mend_trials(study), *_mend_latencies(study), *_mend_start(study)]
    return [*mended, *_leftovers(study), *damaged_checkpoints(study)]


def damaged_records(study: Study) -> Iterator[str]:
    """A line for each file of the configuration and of the trials that `mend` would restore; touches nothing."""
    folders = [folder for folder in sorted(study.folder.glob("trial_*")) if not is_of_stock_tuner(folder)]
    files = [path for folder in folders for path in (folder / FILE, backup_of(folder / FILE))]
    damaged = [path for path in files if path.exists() and not is_trial_file(path)]
    if study.whole_config_file() != study.config_file:
        damaged.insert(0, study.config_file)
    for path in damaged:
        yield f"{path} is damaged; it is restored, or made again, where the study can be written"


def damaged_checkpoints(study: Study) -> Iterator[str]:
    """A line for each checkpoint that is not whole, with what it costs."""
    for folder in (trial / name for trial in study.trial_folders() for name in ("best", "last")):
        # An empty folder was created just before a kill, and has lost nothing.
        if not folder.is_dir() or weights_file(folder) is not None or not any(folder.iterdir()):
            continue
        what = STATE if read_state(folder) is None else "the weights"
        cost = "its epochs are trained again where they are needed" if folder.name == "last" else "it can't be exported"
        yield f"{folder}: {what} damaged; {cost}"


def _mend_configuration(study: Study) -> Iterator[str]:
    whole = study.whole_config_file()
    if whole != study.config_file:
        write_atomically(study.config_file, whole.read_bytes())
        yield f"{study.config_file} was damaged; restored from its copy"
    elif backup_of(whole).exists() and backup_of(whole).read_bytes() != whole.read_bytes():
        write_atomically(backup_of(whole), whole.read_bytes())
        yield f"{backup_of(whole)}, the copy, was damaged; written again"


def _mend_trials(study: Study) -> Iterator[str]:
    for folder in study.trial_folders():
        if not is_of_stock_tuner(folder):
            lost = "the trial is made again, from its checkpoint where it has one"
            yield from _mend_pair(folder / FILE, is_trial_file, lost)


def _mend_latencies(study: Study) -> Iterator[str]:
    lost = "networks are measured again, so configurations may be drawn that would not have been"
    yield from _mend_pair(study.latency_file, is_latency_file, lost)


def _mend_start(study: Study) -> Iterator[str]:
    yield from _mend_pair(study.start_file, is_start_file, "the study cannot continue without it")


def _mend_pair(file: Path, is_whole: Callable[[Path], bool], lost: str) -> Iterator[str]:
    """Restore a file from its copy, or the copy from the file; `lost` says what it costs where both are damaged."""
    copy = backup_of(file)
    if not (file.exists() or copy.exists()):
        return
    if is_whole(file):
        if copy.exists() and not is_whole(copy):
            write_atomically(copy, file.read_bytes())
            yield f"{copy}, the copy, was damaged; written again"
    elif is_whole(copy):
        write_atomically(file, copy.read_bytes())
        yield f"{file} was damaged; restored from its copy"
    else:
        yield f"{file} and its copy are damaged; {lost}"


def _leftovers(study: Study) -> Iterator[str]:
    """What a killed process left half written; one that lives may be about to rename its file."""
    unfinished = (path for path in study.folder.rglob(".*.tmp") if not is_being_written(path))
    partial = (path for trial in study.trial_folders() for path in trial.glob(f"*/{PARTIAL}*"))
    for path in [*unfinished, *partial]:
        path.unlink(missing_ok=True)
        yield f"{path} was half written; removed"


def derived_damage(study: Study) -> Iterator[str]:
    """A line for each file that stock KerasTuner or people read, and that the next run writes anew."""
    for path in (study.folder / "oracle.json", study.folder / "tuner0.json"):
        if read_json(path) is None and study.trial_folders():
            yield _rewritten(path)
    for path in (study.trials_csv, study.epochs_csv, study.best_file):
        if path.exists() and not _ends_with_a_line(path):
            yield _rewritten(path)


def _rewritten(path: Path) -> str:
    return f"{path} is damaged or missing; the next run writes it anew"


def _ends_with_a_line(path: Path) -> bool:
    return path.read_bytes().endswith(b"\n")
