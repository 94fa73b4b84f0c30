"""Reading a study file: TOML in, a validated configuration or one clear message out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from datasets import load_format
from search.errors import UserError
from search.study.choices import LEARNING
from search.study.config import StudyConfig, data_section
from search.system.toml import flatten, read_toml


def load_config(path: Path, overrides: Sequence[str] = (), directory: str | None = None) -> StudyConfig:
    """Read and validate a study file.

    Args:
        path: the TOML file. It may be a study's own `study.toml`; what that froze beside the configuration is left out.
        overrides: `key=value` with a dotted key and a TOML value, as given to `--set`.
        directory: replaces `[study] directory`.

    Raises:
        UserError: the file is missing or not TOML, or its content is wrong; every mistake in one message.
    """
    table = read_toml(path, "study file")
    # What was recorded when the study was created is not a setting.
    table.pop("frozen", None)
    for override in overrides:
        _apply_override(table, override)
    if directory is not None and isinstance(table.setdefault("study", {}), dict):
        table["study"]["directory"] = directory
    return parse_config(table, str(path))


def parse_config(table: Mapping[str, Any], source: str) -> StudyConfig:
    """Validate a study file's content; `source` names it in the message. Raises UserError."""
    try:
        config = StudyConfig.model_validate(table)
    except ValidationError as error:
        raise UserError(_message(source, [_problem(detail, table) for detail in error.errors()])) from None
    problems = _contradictions(config, table)
    if problems:
        raise UserError(_message(source, problems))
    return config


def _apply_override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(re.fullmatch(r"[A-Za-z0-9_-]+", part) for part in parts) or len(parts) < 2:
        raise UserError(f"--set: given {override!r}; expected section.key=value, as in hyperband.max_epochs=9.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        # Not TOML: text without its quotes, which a shell removes.
        value = text.strip()
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UserError(f"--set: given {override!r}, but {part} is not a table.")
    table[parts[-1]] = value


def _contradictions(config: StudyConfig, table: Mapping[str, Any]) -> list[str]:
    problems = [
        f"[space] {key}: also given in [recipe]; name it in one of the two."
        for key in table.get("recipe", {})
        if key in config.space
    ]
    if config.recipe.optimizer == "adam" and table.get("recipe", {}).get("weight_decay"):
        problems.append("[recipe] weight_decay: optimizer 'adam' has none; use 'adamw', or leave it out.")
    band = config.hyperband
    if band.min_epochs > band.max_epochs:
        problems.append(
            f"[hyperband] min_epochs (={band.min_epochs}) must not be above max_epochs (={band.max_epochs})."
        )
    if config.limits.max_latency_ms is not None and band.sampler in LEARNING:
        problems.append(
            f"[limits] max_latency_ms: cannot be kept with sampler {band.sampler!r}. Latency is measured before the "
            "first trial, while nothing else runs, and this sampler draws by the results of trials. Limit max_macs or "
            "max_parameters, or use sampler 'random'."
        )
    if config.confirm.controls and not config.confirm.top:
        problems.append("[confirm] controls: needs a winner to compare with; set top to 1 or more.")
    needs_path, path = load_format(config.data.format).needs_path, config.data.path
    if needs_path and path is None:
        problems.append(f"[data] path: missing; format {config.data.format!r} needs the folder or file that it reads.")
    if not needs_path and path is not None:
        problems.append(f"[data] path: given {path!r}; format {config.data.format!r} takes none.")
    weights = config.space.get("encoder_weights", "imagenet")
    named = weights.values() if isinstance(weights, dict) else [weights]
    if not all(isinstance(name, str) and name for name in named):
        problems.append(
            f"[space] encoder_weights: given {weights!r}; expected 'imagenet', 'none', a file's path, or a table "
            "{EncoderName = one of these}."
        )
    return problems


def _problem(detail: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """One pydantic error as: the key, what was given, what is allowed."""
    section, *rest = [str(part) for part in detail["loc"]]
    key = f"[{section}] {'.'.join(rest)}" if rest else f"[{section}]"
    kind, given = detail["type"], detail["input"]
    if kind == "missing":
        return f"{key}: missing." if rest else f"{key}: the table is missing."
    if kind == "extra_forbidden":
        return f"{key}: unknown key; {_known_keys(section, table) if rest else _known_sections()}."
    if kind in ("model_type", "dict_type"):
        return f"{key}: given {_shown(given)}; expected a table."
    message = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{key}: given {_shown(given)}; {message}."


def _known_sections() -> str:
    return f"there are {', '.join(f'[{name}]' for name in StudyConfig.model_fields)}"


def _known_keys(section: str, table: Mapping[str, Any]) -> str:
    if section == "data":
        model = data_section(table["data"])
        return f"with format {table['data'].get('format')!r} there are {', '.join(model.model_fields)}"
    known = getattr(StudyConfig.model_fields[section].annotation, "model_fields", {})
    return f"there are {', '.join(known)}"


def _message(source: str, problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return f"{source}: {problems[0]}"
    return f"{source}: {len(problems)} mistakes:\n" + "\n".join(f"  - {problem}" for problem in problems)


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"{value!r}"


def differences(old: StudyConfig, new: StudyConfig) -> list[str]:
    """Keys in which a study on disk and a study file differ, with both values; free ones are left out."""
    before, after = flatten(to_table(old)), flatten(to_table(new))
    found = []
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        # Further iterations leave the trials of earlier ones as they are.
        grown = key == "hyperband.iterations" and int(other or 0) > int(one or 0)
        # So do more confirmations, which begin when all other trials have ended.
        grown |= key.startswith("confirm.") and (other or 0) >= (one or 0)
        if one != other and key not in FREE_KEYS and not grown:
            found.append(f"{key}: the study has {_shown(one)}, the file says {_shown(other)}")
    return found


def to_table(config: StudyConfig) -> dict[str, Any]:
    """The configuration as plain TOML values; what is None is left out."""
    table = config.model_dump(mode="json", exclude_none=True)
    # A searched training choice has no fixed value beside its range.
    table["recipe"] = {key: value for key, value in table["recipe"].items() if key not in config.space}
    return {section: values for section, values in table.items() if values}


# What may change between runs of one study: it has no influence on which trials run and what they give.
FREE_KEYS = frozenset(
    {"study.directory", "study.on_end", "limits.retries", "limits.trial_minutes", "limits.epoch_stall_minutes"}
    | {"limits.abort_after_failures", "workers.executor", "workers.count", "data.cache"}
    # The fingerprint says whether data at another place are the same.
    | {"data.path"}
)
