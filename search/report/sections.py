"""The sections of a report and their content."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from deeplab import Architecture
from search.report import figures
from search.report.comparison import comparison_columns, comparison_rows
from search.report.history import COSTS, History
from search.report.importance import FEWEST, Compared
from search.report.network import draw_network
from search.report.parts import Picture, Plot, Report, Section, Table, cell, table_of
from search.report.resolution import confirmation_section, resolution_section
from search.report.verdict import facts_of, verdict_of
from search.study import BASELINE
from search.study.reading import to_table
from search.system.toml import to_toml
from search.system.wording import plural


def study_report(history: History) -> Report:
    """The report of one study."""
    verdict, notes = verdict_of(history)
    sections = [
        confirmation_section(history),
        _course(history),
        resolution_section(history),
        _costs([history]),
        *_hyperparameters(history),
        _network(history),
        _predictions(history),
        _classes(history),
        _trials(history),
        _failures(history),
        _reproduction(history),
    ]
    shown = [section for section in sections if section is not None]
    return Report(f"Search report: {history.name}", verdict, notes, facts_of(history), shown)


def comparison_report(histories: Sequence[History]) -> Report:
    """One report on several studies."""
    names = [history.name for history in histories]
    verdicts = [f"{history.name}: {verdict_of(history)[0]}" for history in histories]
    objectives = {history.objective.name for history in histories}
    notes = [*verdicts, "Scores on different data or image sizes are not the same measure, even under one name."]
    if len(objectives) > 1:
        notes.append(f"The studies have different objectives: {', '.join(sorted(objectives))}.")
    best = Table("The studies side by side", comparison_columns(), comparison_rows(histories))
    course = _with_plots("course", "How the searches went", [figures.best_so_far(histories)])
    sections = [Section("studies", "Studies", tables=[best]), course, _costs(histories)]
    sections += [
        Section(
            f"best-{number}",
            f"The best network of {history.name}",
            network=_boxes(history),
            tables=[_configuration_table(history)],
        )
        for number, history in enumerate(histories)
        if history.network
    ]
    headline = f"{len(histories)} studies side by side: {', '.join(names)}."
    shown = [section for section in sections if section is not None]
    return Report(f"Comparison: {', '.join(names)}", headline, notes, [], shown)


def _with_plots(name: str, title: str, plots: Sequence[Plot | None], *notes: str) -> Section | None:
    drawn = [plot for plot in plots if plot is not None]
    return Section(name, title, notes=notes, plots=drawn) if drawn else None


def _course(history: History) -> Section | None:
    plots = [figures.best_so_far([history]), figures.learning_curves(history), figures.brackets(history)]
    return _with_plots("course", "How the search went", plots)


def _costs(histories: Sequence[History]) -> Section | None:
    plots = [figures.pareto(histories, cost) for cost in COSTS]
    note = "A trial is on the front if no cheaper trial has a better score."
    return _with_plots("costs", "What quality costs", plots, note)


def _hyperparameters(history: History) -> list[Section]:
    compared = Compared(history)
    if not compared.is_enough:
        note = (
            f"Importances, parallel coordinates and slices need {FEWEST} or more configurations that differ; "
            f"there are {len(compared.rows)} so far."
        )
        return [Section("hyperparameters", "What matters", notes=[note])]
    caution = "PED-ANOVA (Watanabe et al. 2023): what sets the best tenth apart. With few trials, only a hint."
    plots = [compared.importances(), compared.parallel()]
    return [
        Section("hyperparameters", "What matters", notes=[compared.note, caution], plots=plots),
        Section(
            "slices",
            "Each hyperparameter alone",
            notes=["Each point is a configuration; darker ones came later."],
            plots=list(compared.slices()),
            narrow_plots=True,
        ),
    ]


def _network(history: History) -> Section | None:
    best = history.best
    if best is None or not history.network:
        return None
    facts = [("trial", str(best["trial_id"])), ("configuration", str(best["config_id"]))]
    return Section(
        "network",
        "The best network",
        facts=facts,
        network=_boxes(history),
        tables=[_configuration_table(history)],
    )


def _boxes(history: History) -> list[object]:
    architecture = Architecture.model_validate(history.network["architecture"])
    return [
        *draw_network(
            architecture, history.config.data.image_size, int(history.frozen["outputs"]), history.config.data.channels
        )
    ]


def _configuration_table(history: History) -> Table:
    """The values of the best configuration and of the baseline."""
    best, baseline = history.best, history.baseline
    columns = ["hyperparameter", "best", *(["baseline"] if baseline is not None else [])]
    trials = [trial for trial in (best, baseline) if trial is not None]
    names = history.hyperparameters
    rows = [[name, *(cell(trial[f"hp:{name}"]) for trial in trials)] for name in names]
    recipe = history.network.get("recipe", {})
    rows += [[name, cell(value), *["" for _ in trials[1:]]] for name, value in recipe.items() if name not in names]
    return Table("The configuration: what was searched, then the fixed training choices", columns, rows)


def _predictions(history: History) -> Section | None:
    kept = history.best_epoch(history.best)
    if kept is None:
        return None
    scores = kept.validation.image_scores()
    best, worst = kept.extremes
    pictures = [
        Picture(kept.pictures[index], f"{kind}: validation image {index}, mean IoU {scores[index]:.3f}")
        for kind, indices in (("worst", worst), ("best", best))
        for index in indices
        if index in kept.pictures
    ]
    note = (
        f"Of {len(scores)} validation images, those that the best network does worst and best on. In the last panel, "
        "wrong pixels are red and ignored ones grey."
    )
    return Section("predictions", "What it predicts", notes=[note], pictures=pictures) if pictures else None


def _classes(history: History) -> Section | None:
    plot = figures.class_scores(history)
    if plot is None:
        return None
    kept = history.best_epoch(history.best)
    tables = []
    if kept is not None:
        matrix = kept.validation.matrix
        shares = 100 * matrix / matrix.sum(axis=1, keepdims=True).clip(1)
        rows = [
            [name, *(f"{share:.1f}" for share in row)] for name, row in zip(history.class_names, shares, strict=True)
        ]
        caption = "Confusion: percent of each true class (row) by predicted class (column)"
        tables = [Table(caption, ["true class", *history.class_names], rows)]
    return Section("classes", "Class by class", plots=[plot], tables=tables)


def _trials(history: History) -> Section | None:
    if not len(history.completed):
        return None
    ranked = history.completed.sort_values("score", ascending=history.objective.is_minimized, kind="stable")
    columns = {
        "trial_id": "trial",
        "config_id": "configuration",
        "score": history.objective.name,
        "best_epoch": "epoch",
    }
    columns |= {"bracket": "bracket", "rung": "rung", "parameters": "parameters", "macs": "MACs"}
    columns |= {f"hp:{name}": name for name in history.hyperparameters}
    return Section("trials", "Trials", tables=[table_of(ranked, "Completed trials, the best first", columns)])


def _failures(history: History) -> Section:
    failed = history.failed
    if not len(failed):
        return Section("failures", "Failures", notes=["No trial failed."])
    columns = {"trial_id": "trial", "status": "status", "error": "reason", "attempts": "attempts", "worker": "worker"}
    note = f"{plural(len(failed), 'trial')} failed. Whole tracebacks are in each trial's log.txt."
    table = table_of(failed, "Failed trials", columns)
    return Section("failures", "Failures", notes=[note], tables=[table])


def _reproduction(history: History) -> Section:
    """The study file, the versions, the command."""
    frozen, config = history.frozen, history.config
    command = f"deeplab-search run {shlex.quote(f'{history.name}.toml')}"
    if len(history.completed) and (history.completed["trial_id"] != BASELINE).any():
        command += f"\ndeeplab-search export {shlex.quote(str(history.study.folder))}"
    versions = Table(
        "Versions", ["package", "version"], [[str(k), str(v)] for k, v in frozen.get("versions", {}).items()]
    )
    facts = [
        ("seed", str(config.study.seed)),
        ("data fingerprint", str(frozen.get("data_fingerprint", ""))),
        ("started", str(frozen.get("created", ""))),
        ("workers", ", ".join(sorted({str(one) for one in history.trials["worker"].dropna()}))),
    ]
    note = (
        "What is drawn, and every configuration's weights, data order and augmentation, follow from the seed. On other "
        "hardware sums are rounded differently, and trials whose scores are very close may change places."
    )
    listings = [("Command", command), (f"{history.name}.toml", to_toml(to_table(config)))]
    return Section("reproduce", "How to reproduce", notes=[note], facts=facts, tables=[versions], listings=listings)
