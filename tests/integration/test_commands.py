from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from deeplab import Architecture, cost
from recipe import Recipe
from search.oracle.identity import architecture_id
from space import Space
from tests.integration.program import (
    PROGRAM,
    Table,
    deeplab_search,
    deeplab_search_here,
    environment,
    listing,
    write_study,
)

COMMANDS = (
    *("run", "init", "plan", "status", "report", "compare", "board", "export", "predict", "summary", "doctor"),
    *("data", "data check", "train", "evaluate"),
)


def test_help_lists_the_commands_and_each_has_help_of_its_own(tmp_path: Path) -> None:
    listed = deeplab_search("--help", cwd=tmp_path)
    assert listed.status == 0
    for command in COMMANDS:
        assert command.split()[0] in listed.out
        own = deeplab_search_here(*command.split(), "--help", cwd=tmp_path)
        assert own.status == 0, own.all
        assert "Usage: deeplab-search" in own.out


def test_plan_counts_what_the_search_then_runs(study: Path, tiny: Table, tmp_path: Path) -> None:
    planned = deeplab_search("plan", write_study(tmp_path / "tiny.toml", tiny), cwd=tmp_path)
    assert planned.status == 0, planned.all
    trials, epochs = pd.read_csv(study / "trials.csv"), pd.read_csv(study / "epochs.csv")
    configurations = trials["config_id"].nunique() - 1
    total = f"tiny: {len(trials) - 1} trials of {configurations} configurations and the baseline, {len(epochs)} epochs"
    assert total in planned.out
    drawn = trials[trials["rung"] == 0]
    smallest, *_, largest = drawn.sort_values("macs", kind="stable")["parameters"]
    sizes = [line.split() for line in planned.out.splitlines() if line.startswith("parameters")]
    assert [(row[1], row[5]) for row in sizes[1:]] == [(f"{smallest / 1e6:.2f}", f"{largest / 1e6:.2f}")], planned.out
    assert "the space holds 12 networks" in planned.out
    assert "images/s in training" in planned.out
    assert "for the search" in planned.out
    assert set(listing(tmp_path)) == {"tiny.toml"}


def test_summary_of_the_best_network_has_its_size(study: Path, tmp_path: Path) -> None:
    result = tomllib.loads((study / "best.toml").read_text())["result"]
    shown = deeplab_search("summary", study / "best.toml", "--image-size", "64", "64", "--classes", "6", cwd=tmp_path)
    assert shown.status == 0, shown.all
    assert f"\n{result['parameters']:,} parameters (" in shown.out
    assert f"{result['macs'] / 1e9:.2f} G multiply-accumulates" in shown.out
    assert shown.err == ""


def test_limits_decide_what_is_drawn(tmp_path: Path, tiny: Table) -> None:
    """Of the study's 12 networks one fits: others are counted; it is measured, and its time kept."""
    table = {key: value for key, value in tiny["space"].items() if key != "encoder_weights"}
    space = Space.parse(table, recipe=Recipe(), image_size=(64, 64))
    smallest = cost(space.architecture({"aspp_branches": 0, "aspp_filters": 8, "decoder_depth": 0}), (64, 64), 6)
    file = write_study(
        tmp_path / "s.toml",
        tiny,
        hyperband={"max_epochs": 1, "baseline": False},
        limits={"max_latency_ms": 60_000.0, "max_parameters": smallest.parameters},
    )
    done = deeplab_search("run", file, cwd=tmp_path)
    assert done.status == 0, done.all
    assert re.search(r"drew 1 configurations; rejected \d+ by max_parameters", done.out)
    folder = tmp_path / "results" / "tiny"
    assert list(pd.read_csv(folder / "trials.csv")["parameters"]) == [smallest.parameters]
    times = json.loads((folder / "latency.json").read_text())
    assert architecture_id(Architecture.from_toml(folder / "best.toml")) in times
    assert all(0 < milliseconds < 60_000 for milliseconds in times.values())
    assert "Score against latency" in (folder / "report.html").read_text()


def test_status_of_a_finished_study_changes_nothing(study: Path, tmp_path: Path) -> None:
    before = listing(study)
    shown = deeplab_search("status", study, cwd=tmp_path)
    assert shown.status == 0, shown.all
    trials = pd.read_csv(study / "trials.csv")
    assert "7/7 trials" in shown.out
    assert "14/14 epochs" in shown.out
    for trial, score in zip(trials["trial_id"], trials["score"], strict=True):
        assert any(trial in line and f"{score:.4f}" in line for line in shown.out.splitlines())
    assert listing(study) == before


def test_data_check_tells_what_the_data_hold(folder_study: Path, tmp_path: Path) -> None:
    before = listing(tmp_path)
    checked = deeplab_search("data", "check", folder_study, cwd=tmp_path)
    assert checked.status == 0, checked.all
    assert "40x48 (4)" in checked.out
    assert "train has only 4 images" in checked.out
    assert "no errors, 2 warnings" in checked.out
    assert listing(tmp_path) == before


def test_doctor_lists_the_machine_and_the_packages(tmp_path: Path) -> None:
    shown = deeplab_search("doctor", cwd=tmp_path)
    assert shown.status == 0, shown.all
    for word in ("Python", "python", "cores", "GPU", "keras-tuner", "disk"):
        assert word.lower() in shown.out.lower()
    assert "missing" not in shown.out
    assert not listing(tmp_path)


def test_paths_with_spaces_and_another_folder_to_start_from(study: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "my own studies"
    shutil.copytree(study.parents[1] / "results", elsewhere / "kept here")
    shutil.copy(study.parents[1] / "tiny.toml", elsewhere / "my study.toml")
    again = deeplab_search(
        "run", "my own studies/my study.toml", "--directory", "my own studies/kept here", cwd=tmp_path
    )
    assert again.status == 0, again.all
    assert "starts" not in again.out
    assert "deeplab-search export 'my own studies/kept here/tiny'" in again.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my own studies"]


def test_output_into_a_pipe_that_closes_is_no_failure(study: Path) -> None:
    command = f"'{PROGRAM}' status '{study}' | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("columns", ["20", "80"])
def test_no_escape_codes_in_a_pipe_and_no_failure_on_narrow_terminals(study: Path, columns: str) -> None:
    shown = deeplab_search("status", study, cwd=study.parent, COLUMNS=columns, NO_COLOR="1", TERM="dumb")
    assert shown.status == 0, shown.all
    assert "\x1b" not in shown.out
    assert shown.err == ""


def test_report_compare_and_status_for_scripts(study_copy: Path, study: Path, tmp_path: Path) -> None:
    (study_copy / "report.html").unlink()
    written = deeplab_search("report", study_copy, cwd=tmp_path)
    assert written.status == 0, written.all
    assert written.out.strip() == str(study_copy / "report.html")
    assert "Verdict" in (study_copy / "report.html").read_text()

    said = deeplab_search("status", study_copy, "--json", cwd=tmp_path)
    assert json.loads(said.out)["trials_finished"] == 7
    watched = deeplab_search("status", study_copy, "--watch", cwd=tmp_path)
    assert "7/7 trials" in watched.out
    assert deeplab_search("status", study_copy, "--watch", "--json", cwd=tmp_path).status == 2

    other = study_copy.with_name("other")
    shutil.copytree(study_copy, other)
    compared = deeplab_search("compare", study_copy, other, "--to", "both", cwd=tmp_path)
    assert compared.status == 0, compared.all
    assert "tiny" in compared.out
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == ["comparison.csv", "comparison.html"]
    assert deeplab_search("compare", study_copy, cwd=tmp_path).status == 2


def test_the_command_at_the_end_is_run_and_its_failure_changes_nothing(study_copy: Path) -> None:
    command = "study.on_end='sh -c \"echo told of $1; exit 7\" sh'"
    again = deeplab_search("run", "tiny.toml", "--set", command, cwd=study_copy.parents[1])
    assert again.status == 0, again.all
    assert "told of results/tiny" in again.out
    assert "exit status 7" in again.out
    assert "starts" not in again.out


def test_watching_in_a_terminal_draws_and_leaves_the_last_picture(study: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 60, 0, 0))
    changed = environment(TERM="xterm-256color", NO_COLOR="1")
    del changed["COLUMNS"]
    with subprocess.Popen([PROGRAM, "status", study, "--watch"], stdout=theirs, stderr=theirs, env=changed) as watching:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # Linux: the other end is closed
                break
        assert watching.wait() == 0, shown
    os.close(ours)
    text = shown.decode()
    assert "7/7 trials" in text
    assert "\x1b[3" not in text, "no colour"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert max(len(line) for line in plain.splitlines()) <= 60
    assert "against the baseline's" in " ".join(plain.split())
