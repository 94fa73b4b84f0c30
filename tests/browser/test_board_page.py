"""TensorBoard, as `board` starts it, in a browser: the table, the parallel coordinates, the curves, the images."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.browser.browser import Visit, visit
from tests.integration.program import running, wait_until
from tests.integration.test_board import session_groups

WIDE = {"width": 1600, "height": 1000}
PATIENCE = 120_000  # milliseconds
# The grid's cells are in slots of its shadow root; hidden ones are kept for later rows.
TABLE = """grid => {
  const text = cell => cell.querySelector("slot").assignedNodes().map(node => node.textContent.trim()).join("");
  const rows = part => [...grid.shadowRoot.querySelectorAll(part + " tr")].filter(row => !row.hidden)
    .map(row => [...row.children].map(text));
  return { head: rows("thead").flat(), body: rows("tbody").filter(row => row[0]) };
}"""


@pytest.fixture(scope="module")
def trials(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "trials.csv", index_col="trial_id")


@pytest.fixture(scope="module")
def seen(study: Path, trials: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A browser on TensorBoard's first page."""
    folder = tmp_path_factory.mktemp("board")
    with running("board", study, "--port", "0", cwd=folder) as board:
        board.until(lambda: re.search(r"http://\S+:\d+/", board.output))
        url = re.search(r"http://\S+:\d+/", board.output)
        assert url is not None
        board.until(lambda: is_loaded(url[0]))
        # Which columns the page shows at first depends on the rows that have been read.
        board.until(lambda: len(session_groups(url[0])) == trials["config_id"].nunique())
        with visit(folder / "profile", viewport=WIDE) as seen:
            seen.page.set_default_timeout(PATIENCE)
            expect.set_options(timeout=PATIENCE)
            seen.page.goto(url[0])
            yield seen
            assert seen.outside == [], "requests stay on this machine"
            assert [said for said in seen.complaints if said.startswith("error")] == []


def open_tab(page: Page, tab: str) -> None:
    """Reload TensorBoard at one of its pages, because it reads the address only once, when it starts."""
    base = page.url.partition("#")[0]
    page.goto("about:blank")
    page.goto(f"{base}#{tab}")


def is_loaded(url: str) -> bool:
    """Whether TensorBoard has read enough of the logs to show something on each page."""
    with urllib.request.urlopen(f"{url}data/plugins_listing", timeout=60) as response:
        plugins = json.loads(response.read())
    return all(plugins[name]["enabled"] for name in ("hparams", "images", "scalars", "custom_scalars"))


def table_of(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.locator("vaadin-grid").evaluate(TABLE)
    return found


def test_the_hparams_table_has_a_row_a_configuration_with_the_right_values(seen: Visit, trials: pd.DataFrame) -> None:
    open_tab(seen.page, "hparams")
    grid = seen.page.locator("vaadin-grid")
    expect(grid).to_be_visible()
    chosen = ["config_id", "bracket", "rung", "iteration", "epochs", "parameters", "macs"]
    chosen += ["aspp_filters", "aspp_rate", "learning_rate"]
    for name in chosen:
        box = seen.page.locator("paper-checkbox").filter(has_text=re.compile(rf"^\s*{name}\s*$")).first
        if box.get_attribute("aria-checked") != "true":
            box.click()
    wait_until(lambda: set(chosen) <= set(table_of(seen.page)["head"]), lambda: str(table_of(seen.page)))
    table = table_of(seen.page)
    last = trials.sort_values("last_epoch").groupby("config_id").tail(1)
    rows = {row[0]: dict(zip(table["head"], row, strict=False)) for row in table["body"]}
    assert len(table["body"]) == len(last)
    assert set(rows) == {str(name).partition("-")[0] for name in last.index}
    columns = {"bracket": "bracket", "rung": "rung", "iteration": "iteration", "epochs": "last_epoch"}
    columns |= {"parameters": "parameters", "macs": "macs", "best/val_mean_iou": "score"}
    columns |= {name: f"hp:{name}" for name in ("aspp_filters", "aspp_rate", "learning_rate")}
    for trial_id, trial in last.iterrows():
        shown = rows[str(trial_id).partition("-")[0]]
        assert shown["config_id"] == trial["config_id"]
        for title, column in columns.items():
            if pd.isna(trial[column]):
                assert shown[title] == "", (trial_id, title)
            else:
                # TensorBoard shows five digits.
                assert float(shown[title]) == pytest.approx(trial[column], rel=1e-3), (trial_id, title)


def test_the_parallel_coordinates_are_drawn(seen: Visit, trials: pd.DataFrame) -> None:
    open_tab(seen.page, "hparams")
    # TensorBoard draws the configurations that have a value in every selected column: initially these and the metrics.
    seen.page.get_by_text("Parallel Coordinates View").click()
    lines = seen.page.locator("tf-hparams-parallel-coords-plot .foreground path")
    last = trials.sort_values("last_epoch").groupby("config_id").tail(1)
    chosen = ["hp:aspp_branches", "hp:aspp_filters", "last_epoch", "parameters"]
    complete = int(last[chosen].notna().all(axis=1).sum())
    assert complete > 0
    expect(lines).to_have_count(complete)
    assert lines.evaluate_all("all => all.every(one => one.getTotalLength() > 100)")


def test_the_scalars_of_a_promoted_configuration_are_one_line(seen: Visit, trials: pd.DataFrame) -> None:
    (promoted,) = trials.index[trials["rung"] == 1]
    run = promoted.partition("-")[0]
    open_tab(seen.page, f"scalars&regexInput=%5E{run}%24&tagFilter=validation%2Fmean_iou&_smoothingWeight=0")
    lines = seen.page.locator("path.line")
    expect(lines.first).to_have_attribute("d", re.compile("L"))
    drawn = [lines.nth(number).get_attribute("d") or "" for number in range(lines.count())]
    curves = [line for line in drawn if "L" in line]
    for curve in curves:
        assert curve.count("M") == 1, "one line, without a gap"
        places = [float(x) for x in re.findall(r"[ML](-?[\d.]+),", curve)]
        assert len(places) == 3, "epochs 1 to 3"
        assert places == sorted(set(places)), "no point is doubled, none goes back"


def test_the_pictures_are_there(seen: Visit, trials: pd.DataFrame) -> None:
    open_tab(seen.page, "images")
    pictures = seen.page.locator("tf-image-loader img")
    expect(pictures.first).to_be_visible()
    configurations = trials["config_id"].nunique()
    expect(seen.page.get_by_text("predictions", exact=True).first).to_be_visible()
    # They arrive one by one.
    expect(pictures.nth(configurations - 1)).to_be_visible()
    assert pictures.first.evaluate("one => one.decode().then(() => one.naturalWidth)") > 100


def test_the_searchs_own_curves_are_drawn(seen: Visit) -> None:
    open_tab(seen.page, "custom_scalars")
    for title in ("best so far, over finished trials", "workers busy, over seconds"):
        expect(seen.page.get_by_text(title)).to_be_visible()
    expect(seen.page.locator("path.line").first).to_have_attribute("d", re.compile("L"))
