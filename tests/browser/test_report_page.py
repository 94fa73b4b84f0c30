"""The report as shown by a reader's browser: light, dark, narrow, printed, by keyboard and screen reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from benchmarks._history import History
from search.report import write_comparison, write_report
from tests.browser.browser import Visit, visit

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}
READY = "html[data-ready]"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = History(tmp_path_factory.mktemp("page") / "made-up").write()
    return write_report(study.folder)


@pytest.fixture(params=LOOKS)
def seen(request: pytest.FixtureRequest, report: Path, tmp_path: Path) -> Iterator[Visit]:
    """The rendered page."""
    with visit(tmp_path / "profile", **LOOKS[request.param]) as seen:
        show(seen.page, report)
        yield seen


def show(page: Page, path: Path) -> None:
    page.goto(path.as_uri())
    page.wait_for_selector(READY, timeout=120_000)


def test_every_plot_is_drawn_nothing_is_complained_of_or_fetched_and_axe_is_content(seen: Visit) -> None:
    page = seen.page
    assert seen.complaints == []
    assert seen.outside == []
    plots = page.locator("[data-figure]")
    assert plots.count() > 12
    for number in range(plots.count()):
        plot = plots.nth(number)
        # The marks of the data, not just the axes.
        assert plot.locator(".trace, .bars .point, .points path").count() > 0, plot.get_attribute("data-figure")
        assert plot.get_attribute("aria-label")
    assert page.locator("#no-plots").is_hidden()
    pictures = page.locator(".pictures img")
    assert pictures.count() == 6
    assert pictures.evaluate_all("all => all.every(one => one.naturalWidth > 500 && one.alt)")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "too wide"
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_colors_follow_the_reader_and_print_is_dark_on_white(report: Path, tmp_path: Path) -> None:
    ink = "getComputedStyle(document.querySelector('[data-figure] .xtick text')).fill"
    with visit(tmp_path / "profile", **LOOKS["dark"]) as seen:
        show(seen.page, report)
        dark = brightness(seen.page.evaluate(ink))
        seen.page.emulate_media(color_scheme="light")
        seen.page.wait_for_selector("html[data-look=light]")
        assert dark > 200 > 100 > brightness(seen.page.evaluate(ink))
        seen.page.emulate_media(media="print", color_scheme="dark")
        seen.page.wait_for_selector("html[data-look=print]")
        assert brightness(seen.page.evaluate(ink)) == 0
        assert not seen.page.locator("nav").is_visible()
        assert seen.page.pdf()[:5] == b"%PDF-"
        assert seen.complaints == []


def brightness(color: str) -> float:
    return sum(float(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")) / 3


def test_the_keyboard_reaches_the_verdict_the_sections_and_the_numbers(report: Path, tmp_path: Path) -> None:
    with visit(tmp_path / "profile", **LOOKS["light"]) as seen:
        page = seen.page
        show(page, report)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.hash") == "#course"
        summary = page.locator("summary").first
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator("details").first.evaluate("one => one.open")


def test_without_javascript_the_numbers_are_there(report: Path, tmp_path: Path) -> None:
    with visit(tmp_path / "profile", java_script_enabled=False) as seen:
        seen.page.goto(report.as_uri())
        assert seen.page.locator("noscript").first.is_visible()
        assert "better than the tutorial's baseline" in seen.page.locator(".headline").inner_text()
        assert seen.page.locator("details").count() > 12


def test_a_comparison_is_drawn_too(report: Path, tmp_path: Path) -> None:
    other = History(tmp_path / "other", max_epochs=9, seed=3).write(pictures=False)
    path = write_comparison([report.parent, other.folder], tmp_path / "comparison.html")
    with visit(tmp_path / "profile", **LOOKS["light"]) as seen:
        show(seen.page, path)
        assert seen.page.locator("[data-drawn]").count() == 3
        assert seen.complaints == []
        found = Axe().run(seen.page)
        assert found.violations_count == 0, found.generate_report()
