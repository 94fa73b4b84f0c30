"""The documentation agrees with the code: its tables, columns, examples and links."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from docs import drawing, tables
from hyperparameters.dimensions import CATALOGUE
from recipe import Recipe
from search.errors import UserError
from search.results.hparams_table import PLACE
from search.results.pruning import KEEP_BEST
from search.study.columns import TRIAL_COLUMNS, epoch_columns
from search.study.reading import parse_config
from search.trial.contract import Status
from space import Space

DOCS = Path(tables.__file__).parent
PAGES = sorted(DOCS.glob("*.md"))
STUDY: dict[str, Any] = {
    "study": {"name": "a"},
    "data": {"format": "synthetic", "image_size": [512, 512]},
    "hyperband": {"max_epochs": 9},
}


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """A section's text, up to the next heading."""
    return re.split(r"^#+ ", read(page).split(f" {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def first_column(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))


def test_tables_agree_with_the_code():
    text = tables.PAGE.read_text(encoding="utf-8")
    assert tables.updated(text) == text, "run: python docs/tables.py --write"
    assert sorted(block["name"] for block in tables.BLOCK.finditer(text)) == sorted(tables.TABLES)


def test_every_key_is_explained_and_no_other():
    keys = {f"{name}.{key}" for name, model in tables.SECTIONS.items() for key in model.model_fields}
    in_recipe = Recipe.model_fields.keys()
    keys |= {f"space.{name}" for name in CATALOGUE if name not in in_recipe}
    assert set(tables.MEANINGS) == keys
    assert set(tables.ALLOWED_BY_HAND) <= keys


@pytest.mark.parametrize(
    ("key", "allowed", "refused"),
    [
        ("study.name", ["a", "0.b_c-D", "a" * 100], ["", ".a", "a b", "a/b", "a" * 101]),
        ("data.image_size", [[32, 8192]], [[31, 64], [64, 8193]]),
        ("hyperband.min_epochs", [1, 9], [0, 10]),
    ],
)
def test_what_is_allowed_by_hand_is_what_the_code_allows(key, allowed, refused):
    name, field = key.split(".")
    for value in allowed:
        parse_config(STUDY | {name: {**STUDY[name], field: value}}, "study")
    for value in refused:
        with pytest.raises(UserError):
            parse_config(STUDY | {name: {**STUDY[name], field: value}}, "study")


@pytest.mark.parametrize("source", re.findall(r"```toml\n(.*?)```", read("study-files.md"), re.DOTALL))
def test_examples_are_study_files(source):
    config = parse_config(STUDY | tomllib.loads(source), "example")
    Space.parse(config.ranges(), recipe=config.recipe, image_size=config.data.image_size)


def test_the_network_is_drawn_as_it_is_built():
    assert drawing.PICTURE.read_text(encoding="utf-8") == drawing.current(), "run: python docs/drawing.py"


def test_every_choice_of_the_network_has_its_source():
    rows = re.findall(r"^\| (`.+?) \| .+ \| (.+) \|$", section("network.md", "What can be chosen"), re.MULTILINE)
    named = {name for first, _ in rows for name in re.findall(r"`(\w+)`", first)}
    named |= {f"aspp_gap_{branch}" for branch in (3, 4)}  # within a range
    assert named == {name for name in CATALOGUE if name not in Recipe.model_fields}


def test_columns_are_those_of_the_csv_files():
    trials = first_column(section("results.md", "`trials.csv`"))
    assert trials == (*TRIAL_COLUMNS, "hp:<name>", "metric:<name>")
    assert first_column(section("results.md", "`epochs.csv`")) == epoch_columns(["<class>"])


def test_statuses_are_those_of_a_trial():
    never_shown = {"interrupted"}  # such a trial stays `running` and is continued later
    assert (
        set(first_column(section("results.md", "Statuses"))) == {"queued", "running", *get_args(Status)} - never_shown
    )


def test_hparams_columns_and_kept_checkpoints_are_named():
    board = section("results.md", "TensorBoard")
    assert all(f"`{name}`" in board for name in PLACE)
    assert f"the {KEEP_BEST} best trials" in section("results.md", "Checkpoints")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_are_named_exist(page):
    root = DOCS.parent
    for name in re.findall(r"`((?:deeplab|search|datasets|tests|docs)/[\w/]+\.py)`", page.read_text(encoding="utf-8")):
        assert (root / name).is_file(), name


def test_every_test_that_faults_md_names_exists():
    named = set(re.findall(r"`(test_\w+|Test\w+)`", read("faults.md")))
    source = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "tests").rglob("test_*.py"))
    existing = set(re.findall(r"^(?:def )?(test_\w+|Test\w+)(?: =|\()", source, re.MULTILINE))
    assert named <= existing, named - existing
    faults = (DOCS.parent / "tests" / "faults" / "test_stock_faults.py").read_text(encoding="utf-8")
    stock = set(re.findall(r"^def (test_\d\d_\w+)", faults, re.MULTILINE))
    assert len(stock) == 16
    assert stock <= named
