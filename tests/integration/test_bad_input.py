from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from datasets.formats import open_dataset
from search.commands.data_check import check_new_data
from search.errors import UserError
from tests.integration.program import Result, Table, deeplab_search, deeplab_search_here, listing, running, write_study


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    before = listing(folder)
    yield
    assert listing(folder) == before


def assert_refused(result: Result, *said: str) -> None:
    """Exit status 2 and one message on standard error that says all of `said`; no traceback, nothing on stdout."""
    assert result.status == 2, result.all
    assert result.err.startswith("deeplab-search: "), result.all
    assert "Traceback" not in result.err
    assert result.out == ""
    missing = [words for words in said if words not in result.err]
    assert not missing, result.all


def refuse(tmp_path: Path, command: str, *arguments: str | Path, said: tuple[str, ...]) -> None:
    with untouched(tmp_path):
        result = deeplab_search_here(*command.split(), *arguments, cwd=tmp_path)
    assert_refused(result, *said)


@pytest.mark.parametrize("command", ["run", "plan", "data check"])
def test_study_file_that_is_missing(tmp_path: Path, command: str) -> None:
    """Of the program in a process of its own, as a user starts it; the other tests of this file share one process."""
    with untouched(tmp_path):
        result = deeplab_search(*command.split(), "none.toml", cwd=tmp_path)
    assert_refused(result, "none.toml does not exist")


def test_study_file_that_is_a_folder(tmp_path: Path) -> None:
    refuse(tmp_path, "run", tmp_path, said=(str(tmp_path), "cannot be read"))


def test_study_file_that_is_not_toml(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text('[study]\nname = "x\n')
    refuse(tmp_path, "run", "broken.toml", said=("broken.toml is not TOML", "line 2"))


def test_every_mistake_in_the_sections_is_in_one_message(tmp_path: Path, tiny: Table) -> None:
    file = write_study(
        tmp_path / "wrong.toml",
        tiny,
        study={"nmae": "x", "name": "with/slash"},
        data={"image_size": [64]},
        hyperband={"max_epochs": "nine", "factor": 1},
        sapce={"encoder": "ResNet50"},
    )
    said = ("wrong.toml: 6 mistakes", "nmae: unknown key", "name: given 'with/slash'", "image_size", "given 'nine'")
    refuse(tmp_path, "run", file, said=(*said, "factor: given 1", "[sapce]: unknown key; there are [study]"))


def test_every_mistake_in_the_space_is_in_one_message(tmp_path: Path, tiny: Table) -> None:
    space = {
        "encoder": ["MobileNetV2", "ResNet999"],
        "aspp_filters": {"min": 64, "max": 32},
        "decoder_depth": 2.5,
        "learning_rate": {"min": 0, "max": 1, "sampling": "log"},
        "filters": 3,
    }
    said = (
        "5 mistakes",
        "'ResNet999'; allowed:",
        "min (=64) must not be above max (=32)",
        "given 2.5",
        "filters: no",
    )
    refuse(tmp_path, "run", write_study(tmp_path / "wrong.toml", tiny, space=space), said=said)


def test_epochs_that_contradict(tmp_path: Path, tiny: Table) -> None:
    file = write_study(tmp_path / "wrong.toml", tiny, hyperband={"min_epochs": 4})
    refuse(tmp_path, "run", file, said=("min_epochs (=4) must not be above max_epochs (=3)",))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"hyperband": {"sampler": "grid"}}, "[hyperband] sampler: given 'grid'; allowed are random, tpe"),
        ({"workers": {"executor": "ray"}}, "[workers] executor: given 'ray'; allowed are local"),
        ({"workers": {"address": "auto"}}, "[workers] address: unknown key"),
    ],
)
def test_what_does_not_exist_is_refused_and_not_ignored(
    tmp_path: Path, tiny: Table, section: dict[str, Any], said: str
) -> None:
    refuse(tmp_path, "run", write_study(tmp_path / "new.toml", tiny, **section), said=(said,))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_limits_that_nothing_fits(tmp_path: Path, tiny: Table, command: str) -> None:
    file = write_study(tmp_path / "s.toml", tiny, limits={"max_parameters": 1000, "max_macs": 10**12})
    said = ("none of 1,000 networks drawn", "max_parameters: given 1,000; the smallest found has ", "aspp_filters=8")
    refuse(tmp_path, command, file, said=said)


def test_summary_of_a_file_without_an_architecture(tmp_path: Path, tiny: Table) -> None:
    file = write_study(tmp_path / "s.toml", tiny)
    refuse(tmp_path, "summary", file, said=("s.toml has no [architecture] table", "best.toml"))


@pytest.mark.parametrize("override", ["hyperband.max_epochs", "max_epochs=3", "study.name.deeper=3"])
def test_set_without_a_key_and_value(tmp_path: Path, tiny: Table, override: str) -> None:
    refuse(
        tmp_path, "run", write_study(tmp_path / "s.toml", tiny), "--set", override, said=(f"--set: given '{override}'",)
    )


@pytest.mark.parametrize("objective", ["val_dice", "mean_iou"])
def test_objective_that_no_trial_measures(tmp_path: Path, tiny: Table, objective: str) -> None:
    file = write_study(tmp_path / "wrong.toml", tiny, study={"objective": objective})
    refuse(tmp_path, "run", file, said=(f"objective: given '{objective}'; allowed are val_loss, val_mean_iou, ",))


def damage_missing_folder(data: Path) -> tuple[str, ...]:
    shutil.rmtree(data)
    return (str(data), "does not exist")


def damage_empty_split(data: Path) -> tuple[str, ...]:
    for image in (data / "val" / "images").iterdir():
        image.unlink()
    return (str(data / "val" / "images"), "contains no .jpg")


def damage_image_without_mask(data: Path) -> tuple[str, ...]:
    (data / "train" / "masks" / "2.png").unlink()
    return (str(data / "train" / "images" / "2.png"), "has no mask")


def damage_files(data: Path) -> tuple[str, ...]:
    """Nothing that the listing shows: sizes that differ, a value that is no class, half an image."""
    Image.new("L", (48, 41)).save(data / "train" / "masks" / "1.png")
    Image.fromarray(np.full((40, 48), 7, np.uint8)).save(data / "val" / "masks" / "0.png")
    image = data / "train" / "images" / "3.png"
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    return (
        "the data have 3 errors",
        f"its mask {data / 'train' / 'masks' / '1.png'} is 41x48; they must have the same size",
        f"{data / 'val' / 'masks' / '0.png'} contains the values 7; expected class ids 0 to 1",
        f"Cannot read image {image}: image file is truncated",
    )


def damage_dangling_link(data: Path) -> tuple[str, ...]:
    image = data / "train" / "images" / "3.png"
    image.unlink()
    image.symlink_to("gone.png")
    return (str(image),)


def damage_classes_file(data: Path) -> tuple[str, ...]:
    (data / "classes.json").write_text(json.dumps({"classes": "land"}))
    return (str(data / "classes.json"),)


DAMAGES = [value for name, value in list(globals().items()) if name.startswith("damage_")]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.removeprefix("damage_"))
def test_data_that_would_break_training(
    tmp_path: Path, folder_data: Path, folder_study: Path, damage: Callable[[Path], tuple[str, ...]]
) -> None:
    said = damage(folder_data)
    refuse(tmp_path, "run", folder_study, said=said)
    with untouched(tmp_path):
        checked = deeplab_search_here("data", "check", folder_study, cwd=tmp_path)
    assert checked.status == 2, checked.all
    assert "Traceback" not in checked.all
    assert all(words in checked.out + checked.err for words in said), checked.all


def test_many_broken_files_are_reported_together(folder_data: Path) -> None:
    for number in range(20):
        for kind in ("images", "masks"):
            (folder_data / "train" / kind / f"new{number}.png").write_bytes(b"no image")
    data = open_dataset("folder", path=folder_data, image_size=(64, 64), classes=1)
    with pytest.raises(UserError, match="the data have 1 error") as refused:
        check_new_data(data, "val_loss", Console(quiet=True))
    assert "20 files (new0.png, new1.png, new10.png, ...): Cannot read image" in str(refused.value)


def relabel(data: Path, value: int) -> None:
    for path in (data / "val" / "masks").iterdir():
        Image.fromarray(np.full((40, 48), value, np.uint8)).save(path)


@pytest.mark.parametrize(
    ("label", "objective", "said"),
    [
        (0, "val_iou_object", "class 'object' does not occur in the 2 validation masks at 64x64"),
        (255, "val_mean_iou", "every pixel is ignored in the 2 validation masks at 64x64"),
        (255, "val_loss", "every pixel is ignored in the 2 validation masks at 64x64"),
    ],
)
def test_an_objective_that_cannot_be_measured(
    tmp_path: Path, folder_data: Path, folder_study: Path, label: int, objective: str, said: str
) -> None:
    relabel(folder_data, label)
    ids = {"0": "background", "1": "object", "255": None}
    (folder_data / "classes.json").write_text(json.dumps({"classes": ["background", "object"], "ids": ids}))
    arguments = (folder_study, "--set", f"study.objective={objective}")
    refuse(tmp_path, "run", *arguments, said=("[study] objective", objective, said))
    checked = deeplab_search("data", "check", *arguments, cwd=tmp_path)
    assert checked.status == 2, checked.all
    assert f"{objective!r} cannot be measured: {said}" in checked.err


def test_encoder_weights_that_are_missing(tmp_path: Path, tiny: Table) -> None:
    file = write_study(tmp_path / "s.toml", tiny, space={"encoder_weights": "gone.weights.h5"})
    refuse(tmp_path, "run", file, said=("encoder_weights", "gone.weights.h5", "no such file"))


def test_encoder_weights_of_another_encoder(tmp_path: Path, tiny: Table, shared_data: Path) -> None:
    weights = str(shared_data / "weights" / "mobilenetv2_1.0_224_slim_notop.weights.h5")
    space = {"encoder": "ResNet50", "aspp_tap": None, "encoder_weights": weights}
    file = write_study(tmp_path / "s.toml", tiny, space=space)
    refuse(tmp_path, "run", file, said=(weights, "are not those of ResNet50"))


@pytest.mark.parametrize("directory", ["a-file/below", "/proc"])
def test_study_folder_that_cannot_be_written(tmp_path: Path, tiny: Table, directory: str) -> None:
    (tmp_path / "a-file").touch()
    file = write_study(tmp_path / "s.toml", tiny)
    refuse(tmp_path, "run", file, "--directory", directory, said=(f"{directory}/tiny cannot be written", "--directory"))


def test_study_folder_that_holds_something_else(tmp_path: Path, tiny: Table) -> None:
    (tmp_path / "results" / "tiny").mkdir(parents=True)
    (tmp_path / "results" / "tiny" / "thesis.txt").write_text("years of work")
    file = write_study(tmp_path / "s.toml", tiny)
    said = ("results/tiny holds something other than a study", "thesis.txt")
    refuse(tmp_path, "run", file, said=said)
    refuse(tmp_path, "run", file, "--fresh", said=said)


@pytest.mark.parametrize("command", ["status", "board", "export", "predict"])
def test_folder_that_holds_no_study(tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    arguments = ("image.png", "--to", "masks") if command == "predict" else ()
    refuse(tmp_path, command, "empty", *arguments, said=("empty", "expected" if command == "predict" else "no study"))


def test_changed_data_are_noticed_on_resume(tmp_path: Path, folder_data: Path, folder_study: Path) -> None:
    with running("run", folder_study, cwd=tmp_path) as started:
        started.until((tmp_path / "results" / "own" / "trials.csv").exists)
    image = folder_data / "train" / "images" / "0.png"
    Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    refuse(tmp_path, "run", folder_study, said=("the data has changed since the study started", "--fresh"))
