"""The study folder: where everything is, and what the study was created from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from datasets import Dataset
from datasets.cache import cache_folder
from search.errors import UserError
from search.study.config import StudyConfig
from search.study.ids import folder_name, is_trial_id
from search.study.reading import differences, load_config, to_table
from search.study.versions import (
    FORMAT,
    check_format,
    is_of_another_version,
    not_understood,
    own_version,
    recorded_version,
)
from search.system.files import (
    backup_of,
    cannot_be_written,
    make_folder,
    write_atomically,
    write_with_backup,
    writing_to,
)
from search.system.machine import now, versions
from search.system.toml import read_toml, to_toml
from search.system.wording import listed

# The last line of `study.toml`: a file without it has been cut off, which TOML itself would not show.
END = "# The end. Where this line is missing, the file was cut off.\n"
# The option that chooses where study folders are kept.
OPTION = "--directory"


class Study:
    """The paths of one study, and the few files that belong to the study as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config_file = folder / "study.toml"
        self.trials_csv = folder / "trials.csv"
        self.epochs_csv = folder / "epochs.csv"
        self.best_file = folder / "best.toml"
        self.report_file = folder / "report.html"
        self.tensorboard = folder / "tensorboard"
        self.cache = folder / "cache"
        self.stop_file = folder / ".stop"
        self.finished_file = folder / ".finished"
        self.lock_file = folder / ".lock"
        self.driver_file = folder / "driver.json"
        self.latency_file = folder / "latency.json"
        self.start_file = folder / "start.json"
        self.log_file = folder / "driver.log"

    @property
    def name(self) -> str:
        """The name of the study's folder, which distinguishes studies that are viewed together."""
        return self.folder.resolve().name  # `.` and `..` have no name

    def trial(self, trial_id: str) -> Path:
        """The folder of one trial. Raises UserError if this is not a trial id, such as a path out of the study."""
        if not is_trial_id(trial_id):
            raise UserError(f"{self.folder}: {trial_id!r} is not a trial id; expected one like 0007-0.")
        return self.folder / folder_name(trial_id)

    def trial_folders(self) -> list[Path]:
        """The folders of all trials, sorted by name."""
        return sorted(path for path in self.folder.glob(folder_name("*")) if path.is_dir())

    def data_cache(self, config: StudyConfig) -> Path:
        """Where the study's decoded images are, while it runs."""
        return cache_folder(self.cache, str(self.frozen().get("data_fingerprint")), config.data.framing)

    @property
    def exists(self) -> bool:
        """Whether a study has been started here."""
        return self.config_file.exists() or backup_of(self.config_file).exists()

    def config(self) -> StudyConfig:
        """The configuration that the study was started with.

        Raises:
            UserError: there is none, or another version wrote what this one cannot read.
        """
        frozen, file = self.frozen(), self.whole_config_file()
        try:
            return load_config(file)
        except UserError as error:
            raise not_understood(file, frozen, str(error)) if is_of_another_version(frozen) else error from None

    def frozen(self) -> dict[str, Any]:
        """What was recorded along with the configuration: versions, data fingerprint, class names.

        Raises:
            UserError: the study has a newer format than this version reads.
        """
        file = self.whole_config_file()
        frozen: dict[str, Any] = read_toml(file, "study").get("frozen", {})
        check_format(file, frozen)
        return frozen

    def whole_config_file(self) -> Path:
        """`study.toml`, or its copy if only that one is whole. Raises UserError if both are damaged."""
        copy = backup_of(self.config_file)
        if self._is_whole(self.config_file) or not copy.exists():
            return self.config_file
        if not self._is_whole(copy):
            raise UserError(
                f"{self.config_file} is damaged, and so is its copy {copy.name}. The trials are untouched: restore one "
                "of the two, or start anew with --fresh (the old study is kept aside)."
            )
        return copy

    def _is_whole(self, path: Path) -> bool:
        return path.is_file() and path.read_bytes().endswith(END.encode())

    def create(self, config: StudyConfig, dataset: Dataset) -> None:
        """Write `study.toml`, once, before the first trial. Raises UserError if the folder cannot be written."""
        self._write_config(
            config,
            {
                **own_version(),
                "created": now(),
                "data_fingerprint": dataset.fingerprint(),
                # For commands that show a study without its data.
                "class_names": list(dataset.class_names),
                "outputs": dataset.classes,
                "ignore_index": dataset.ignore_index,
                "versions": versions(),
            },
        )

    def adopt(self) -> list[str]:
        """Record that this version drives the study from now on; a note of it where that changes the format.

        The `study.toml` of the other format is kept beside it, as `study.toml.format-1.bak`.
        """
        frozen = self.frozen()
        if not is_of_another_version(frozen):
            return []
        before, notes = recorded_version(frozen), []
        if before["format"] != FORMAT:
            kept = self.config_file.with_name(f"{self.config_file.name}.format-{before['format']}.bak")
            write_atomically(kept, self.whole_config_file().read_bytes())
            notes.append(f"the study is of version {before['project']}; its study.toml is kept as {kept.name}")
        self._write_config(self.config(), frozen | own_version())
        return notes

    def grow(self, config: StudyConfig) -> None:
        """Adopt the settings that decide on trials and may change: more iterations, and what is confirmed."""
        before = self.config()
        if config.hyperband.iterations > before.hyperband.iterations or config.confirm != before.confirm:
            self._write_config(config, self.frozen())
            self.finished_file.unlink(missing_ok=True)

    def _write_config(self, config: StudyConfig, frozen: dict[str, Any]) -> None:
        table = to_table(config) | {"frozen": frozen}
        header = (
            "# The configuration of this study, frozen before its first trial. Don't edit: `run` compares with it.\n"
        )
        self.make_folder()
        with writing_to(self.folder, OPTION):
            write_with_backup(self.config_file, f"{header}{to_toml(table)}{END}")

    def make_folder(self) -> None:
        """Create the study's folder if it does not exist. Raises UserError if it cannot be written."""
        make_folder(self.folder, OPTION)

    def check_startable(self, config: StudyConfig, fingerprint: str) -> None:
        """Refuse to start or continue here if the folder holds another study, or something else.

        Raises:
            UserError: with each differing key and both values, or with what the folder is instead.
        """
        if not self.exists:
            self._check_free()
            return
        changed = differences(self.config(), config)
        if changed:
            listed = "\n".join(f"  - {line}" for line in changed)
            raise UserError(
                f"{self.folder} holds a study made from other settings:\n{listed}\n"
                "Restore these, give the study another name, or start anew with --fresh (the old study is kept aside)."
            )
        before = self.frozen().get("data_fingerprint")
        if before != fingerprint:
            raise UserError(
                f"{self.folder}: the data has changed since the study started (fingerprint {before}, now "
                f"{fingerprint}), so its scores could not be compared. Restore the data, or start anew with --fresh."
            )

    def check_writable(self) -> None:
        """Raises UserError if the folder, or the nearest existing folder above it, cannot be written."""
        nearest = self.folder
        while not nearest.exists():
            nearest = nearest.parent
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise cannot_be_written(self.folder, f"no permission for {nearest}", OPTION)

    def move_aside(self) -> Path | None:
        """Rename the folder of an old study so that a new one can take its place; returns the new name."""
        if not self.exists:
            return None
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        aside = self.folder.with_name(f"{self.folder.name}.{stamp}")
        while aside.exists():  # moved aside twice within a second
            aside = aside.with_name(aside.name + "x")
        self.folder.rename(aside)
        for file in (self.lock_file, self.driver_file):  # of who moves it, and goes on in a new folder
            (aside / file.name).unlink(missing_ok=True)
        return aside

    def _is_remnant(self, name: str) -> bool:
        """Whether a file may have been left by a run that was killed before it wrote `study.toml`."""
        known = (self.lock_file, self.driver_file, self.log_file, self.start_file, backup_of(self.start_file))
        return name in {path.name for path in known} or (name.startswith(".") and name.endswith(".tmp"))

    def _check_free(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file; expected a folder for the study. Choose another name.")
        others = (
            [entry.name for entry in self.folder.iterdir() if not self._is_remnant(entry.name)]
            if self.folder.exists()
            else []
        )
        if others:
            found = listed(sorted(others), most=5)
            raise UserError(
                f"{self.folder} holds something other than a study ({found}): there is no study.toml. "
                "Choose another [study] name or --directory."
            )


def open_study(folder: Path) -> Study:
    """The study in a folder. Raises UserError if there is none."""
    study = Study(folder)
    if not study.exists:
        raise UserError(f"{folder} holds no study: there is no study.toml. Expected a folder that `run` has written.")
    return study


def open_studies(folders: Sequence[Path]) -> list[Study]:
    """The studies in several folders, to be viewed together.

    Raises:
        UserError: a folder holds no study, or two have the same name.
    """
    studies = [open_study(folder) for folder in folders]
    if len({study.name for study in studies}) < len(studies):
        given = ", ".join(map(str, folders))
        raise UserError(f"two of these studies have the same name: {given}; look at them one by one.")
    return studies
