"""The study file: what is read, what is refused and in which words, and what may change later."""

from __future__ import annotations

import tomllib
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from search.errors import UserError
from search.study.reading import FREE_KEYS, differences, load_config, parse_config, to_table
from search.system.toml import flatten, to_toml
from tests.unit.search.conftest import TABLE, MakeConfig


def merged(changes: dict[str, Any]) -> dict[str, Any]:
    """The smallest study file with dotted keys replaced; None removes one."""
    table: dict[str, Any] = tomllib.loads(tomli_w.dumps(TABLE))
    for key, value in changes.items():
        *sections, last = key.split(".")
        inner = table
        for section in sections:
            inner = inner.setdefault(section, {})
        if value is None:
            inner.pop(last)
        else:
            inner[last] = value
    return table


def refusal(changes: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        parse_config(merged(changes), "my.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study.name": None}, "[study] name: missing."),
        ({"hyperband": None}, "[hyperband]: the table is missing."),
        (
            {"study.colour": "red"},
            "[study] colour: unknown key; there are name, directory, seed, objective, score, on_end, seed_of.",
        ),
        ({"recipe.momentum": 0.9}, "[recipe] momentum: unknown key; there are optimizer, learning_rate"),
        (
            {"serach.x": 1},
            "[serach]: unknown key; there are [study], [data], [hyperband], [confirm], [space], [recipe]",
        ),
        ({"hyperband.max_epochs": "nine"}, "[hyperband] max_epochs: given 'nine'; should be a valid integer."),
        ({"hyperband.max_epochs": True}, "[hyperband] max_epochs: given True; should be a valid integer."),
        ({"hyperband.max_epochs": 2.0}, "[hyperband] max_epochs: given 2.0; should be a valid integer."),
        ({"hyperband.factor": 1}, "[hyperband] factor: given 1; should be greater than or equal to 2."),
        ({"hyperband.min_epochs": 9}, "[hyperband] min_epochs (=9) must not be above max_epochs (=3)."),
        ({"hyperband.baseline": 1}, "[hyperband] baseline: given 1; should be a valid boolean."),
        ({"study.name": "../elsewhere"}, "[study] name: given '../elsewhere'; "),
        ({"study.seed": -1}, "[study] seed: given -1; "),
        ({"data.image_size": [64]}, "[data] image_size.1: missing."),
        ({"data.image_size": [64, "64"]}, "[data] image_size.1: given '64'; should be a valid integer."),
        ({"data.image_size": [31, 64]}, "[data] image_size: given [31, 64]; height and width must be 32 to 8192"),
        ({"data.format": "tiff"}, "[data] format: given 'tiff'; allowed are folder, csv, "),
        ({"data.path": "here"}, "[data] path: given 'here'; format 'synthetic' takes none."),
        ({"data.format": "folder", "data.train_images": None, "data.val_images": None}, "[data] path: missing; "),
        (
            {"data.format": "folder", "data.path": "d", "data.val_images": None},
            "[data] train_images: unknown key; with format 'folder' there are format, path, image_size, resize, ",
        ),
        (
            {"data.colour": 1},
            "[data] colour: unknown key; with format 'synthetic' there are format, path, image_size, ",
        ),
        ({"data.train_images": 0}, "[data] train_images: given 0; should be greater than or equal to 1."),
        ({"recipe.optimizer": "lion"}, "[recipe] optimizer: given 'lion'; should be 'adamw', 'adam' or 'sgd'."),
        ({"recipe.batch_size": 4, "space.batch_size": [4, 8]}, "[space] batch_size: also given in [recipe]; "),
        ({"space.encoder_weights": 3}, "[space] encoder_weights: given 3; expected 'imagenet', 'none', "),
        ({"space.encoder_weights": {"ResNet50": 3}}, "[space] encoder_weights: given {'ResNet50': 3}; "),
        ({"space": 3}, "[space]: given 3; expected a table."),
        ({"limits.retries": -1}, "[limits] retries: given -1; "),
        ({"hyperband.sampler": "gp"}, "[hyperband] sampler: given 'gp'; allowed are random, tpe."),
        ({"hyperband.mode": "asynchronous"}, "[hyperband] mode: given 'asynchronous'; allowed are synchronous."),
        ({"workers.executor": "ray"}, "[workers] executor: given 'ray'; allowed are local."),
        ({"hyperband.start": "best.toml"}, "[hyperband] start: given 'best.toml'; should be a valid list."),
        ({"study.on_end": " "}, "[study] on_end: given ' '; expected a command with its arguments."),
        (
            {"study.on_end": "mail 'me"},
            '[study] on_end: given "mail \'me"; expected a command with its arguments, quoted',
        ),
        ({"limits.max_latency_ms": 0}, "[limits] max_latency_ms: given 0; should be greater than 0."),
        ({"workers.address": "auto"}, "[workers] address: unknown key; there are executor, count, threads, "),
    ],
)
def test_a_mistake_is_one_clear_line(changes: dict[str, Any], message: str) -> None:
    refused = refusal(changes)
    assert refused.startswith(f"my.toml: {message}")
    assert "\n" not in refused


def test_every_mistake_is_in_one_message() -> None:
    changes = {"study.colour": 1, "hyperband.max_epochs": 0, "recipe.optimizer": "lion", "data.format": None}
    first, *lines = refusal(changes).splitlines()
    assert first == "my.toml: 4 mistakes:"
    for key, line in zip(["[study] colour", "[data] format", "[hyperband] max_", "[recipe] opt"], lines, strict=True):
        assert line.startswith(f"  - {key}")


@pytest.mark.parametrize("content", [None, b"[study", b"\xff\xfe", "folder"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "study.toml"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"study file .*study\.toml (does not exist|is not TOML|cannot be read)"):
        load_config(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(tomli_w.dumps(TABLE))
    return path


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("hyperband.max_epochs=9", "hyperband.max_epochs", 9),
        ("study.name = other", "study.name", "other"),
        ('study.name="other"', "study.name", "other"),
        ("hyperband.baseline=false", "hyperband.baseline", False),
        ("recipe.learning_rate=1e-2", "recipe.learning_rate", 0.01),
        ("data.image_size=[32, 96]", "data.image_size", [32, 96]),
        ("space.aspp_rate.min=2", "space.aspp_rate.min", 2),
        ("space.encoder_weights=../weights/a=b.h5", "space.encoder_weights", "../weights/a=b.h5"),
        ("limits.max_parameters=1_000", "limits.max_parameters", 1000),
    ],
)
def test_overrides(file: Path, override: str, key: str, value: Any) -> None:
    config = load_config(file, [override])
    found = flatten(to_table(config))[key]
    assert found == value
    assert type(found) is type(value)


DEEP = ".".join("a" * 100)


@pytest.mark.parametrize(
    "line",
    [
        f"# see {DEEP}",
        f'on_end = "say {DEEP}"  # {DEEP}',
        f"on_end = 'say {DEEP}'",
        f'on_end = """say \'\n{DEEP} = 1\n\\""" {DEEP}\'"""',
        f"on_end = '''say\n{DEEP} = 1'''",
        f'on_end = """say it"" # {DEEP}""" # {DEEP}',
    ],
)
def test_dots_in_comments_and_strings_are_no_depth(file: Path, line: str) -> None:
    file.write_text(file.read_text().replace("[study]", f"[study]\n{line}"))
    assert load_config(file).study.name == "tiny"


@pytest.mark.parametrize(
    "line",
    [
        f"{'.'.join('a' * 3000)} = 1",
        f"[{'. '.join('a' * 3000)}]",
        f"x = {{ {'.'.join('a' * 3000)} = 1 }}",
        f"x = [1.5, {{ {'.'.join(['a', chr(34) + '#' + chr(34)] * 1500)} = 1 }}]",
        f'x = """a"""" # "\n{".".join("a" * 3000)} = 1',
    ],
)
@pytest.mark.timeout(20)
def test_a_key_of_very_many_parts_is_refused_at_once(file: Path, line: str) -> None:
    file.write_text(f"{file.read_text()}\n{line}\n")
    with pytest.raises(UserError, match="nested too deeply"):
        load_config(file)


def test_a_byte_order_mark_is_no_content(file: Path) -> None:
    file.write_bytes(BOM_UTF8 + file.read_bytes())
    assert load_config(file).study.name == "tiny"


def test_a_file_that_is_not_utf_8_says_so(file: Path) -> None:
    file.write_text(file.read_text(), encoding="utf-16")
    with pytest.raises(UserError, match=r"study\.toml cannot be read: it is not UTF-8 text \(byte 1\)\. Save it "):
        load_config(file)


def test_a_tilde_is_the_home_wherever_a_path_is_given(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    folder = {"data.format": "folder", "data.train_images": None, "data.val_images": None}
    file.write_text(tomli_w.dumps(merged(folder)))
    overrides = ["data.path={}/data", "space.encoder_weights={}/w.h5"]
    tables = ["data.path={}/data", 'space.encoder_weights={{ResNet50 = "{}/w.h5", Xception = "none"}}']
    for changes in (overrides, tables):
        short, long = (
            load_config(file, [text.format(home) for text in changes], f"{home}/results") for home in ("~", "/home/me")
        )
        assert to_table(short) == to_table(long)
        assert "/home/me/w.h5" in str(to_table(short)["space"])
        assert short.folder == Path("/home/me/results/tiny")
        assert short.data.path == "/home/me/data"


def test_a_tilde_that_is_nobodys_home_is_a_name(file: Path) -> None:
    for name in ("~nobody-of-this-name/x", "a~/x", "a/~"):
        assert load_config(file, directory=name).study.directory == name


def test_the_last_override_counts_and_the_directory_is_one(file: Path) -> None:
    config = load_config(file, ["hyperband.factor=4", "hyperband.factor=2", "study.directory=a"], "b")
    assert config.hyperband.factor == 2
    assert config.folder == Path("b/tiny")


@pytest.mark.parametrize(
    "override", ["max_epochs=9", "hyperband.max_epochs", "=9", "a..b=1", "hyperband.max epochs=9", "study.name.x=1"]
)
def test_bad_overrides_are_refused(file: Path, override: str) -> None:
    with pytest.raises(UserError, match=r"^--set: given "):
        load_config(file, [override])


def test_a_section_that_is_no_table_is_refused(file: Path) -> None:
    file.write_text("study = 3\nhyperband = 4\n")
    for directory in (None, "elsewhere"):
        with pytest.raises(UserError, match=r"\[study\]: given 3; expected a table\."):
            load_config(file, directory=directory)


searched = st.fixed_dictionaries(
    {},
    optional={
        "aspp_filters": st.lists(st.integers(1, 512), min_size=1, max_size=3),
        "learning_rate": st.just({"min": 1e-4, "max": 1e-2, "sampling": "log"}),
        "batch_size": st.lists(st.integers(1, 16), min_size=2, max_size=3),
        "optimizer": st.sampled_from([["sgd", "adam"], "sgd"]),
        "encoder_weights": st.sampled_from(["none", "imagenet", "a.h5", {"ResNet50": "b.h5"}]),
    },
)


@given(
    space=searched,
    rest=st.fixed_dictionaries(
        {},
        optional={
            "study.seed": st.integers(0, 2**31 - 1),
            "study.objective": st.sampled_from(["val_loss", "val_iou_road"]),
            "data.classes": st.integers(1, 255),
            "hyperband.min_epochs": st.integers(1, 3),
            "limits.trial_minutes": st.integers(1, 9) | st.floats(0.1, 1e6),
            "limits.max_macs": st.integers(1, 10**12),
            "recipe.weight_decay": st.floats(0, 0.5),
            "workers.count": st.integers(1, 64),
        },
    ),
)
def test_writing_and_reading_is_identity(space: dict[str, Any], rest: dict[str, Any]) -> None:
    config = parse_config(merged(rest | {f"space.{name}": value for name, value in space.items()}), "test")
    again = parse_config(tomllib.loads(to_toml(to_table(config))), "test")
    assert again == config
    assert differences(config, again) == []


def test_differences_name_each_key_with_both_values(make_config: MakeConfig) -> None:
    old = make_config(space={"aspp_filters": [64, 128]})
    new = make_config(hyperband={"factor": 4}, recipe={"optimizer": "sgd"}, data={"classes": 3})
    assert differences(old, new) == [
        "data.classes: the study has nothing, the file says 3",
        "hyperband.factor: the study has 3, the file says 4",
        "recipe.optimizer: the study has 'adamw', the file says 'sgd'",
        "space.aspp_filters: the study has [64, 128], the file says nothing",
    ]


def test_what_may_change_between_runs(make_config: MakeConfig) -> None:
    old = make_config(hyperband={"iterations": 2})
    free = {
        "study": {"directory": "elsewhere", "on_end": "notify-me --loud"},
        "data": {"cache": False},
        "limits": {"retries": 0, "trial_minutes": 5, "epoch_stall_minutes": 1.5, "abort_after_failures": 9},
        "workers": {"count": 7},
    }
    # The executor has one value so far, and a path needs a folder of images.
    assert flatten(free).keys() | {"workers.executor", "data.path"} == FREE_KEYS
    assert differences(old, make_config(hyperband={"iterations": 3}, **free)) == []
    assert len(differences(old, make_config(hyperband={"iterations": 1}))) == 1


def test_encoder_weights_by_encoder(make_config: MakeConfig) -> None:
    assert make_config().weights_of("ResNet50") == "imagenet"
    assert make_config(space={"encoder_weights": "none"}).weights_of("ResNet50") is None
    table = make_config(space={"encoder_weights": {"ResNet50": "a.h5", "MobileNetV2": "none"}, "aspp_filters": 8})
    assert [table.weights_of(name) for name in ("ResNet50", "MobileNetV2", "Xception")] == ["a.h5", None, "imagenet"]
    assert table.ranges() == {"aspp_filters": 8}


@pytest.mark.parametrize(("given", "gigabytes"), [(True, 8), (False, 0), (0, 0), (2, 2), (0.5, 0.5)])
def test_the_cache_is_bounded_in_gigabytes(make_config: MakeConfig, given: float, gigabytes: float) -> None:
    assert make_config(data={"cache": given}).data.cache_bytes == gigabytes * 2**30


@pytest.mark.parametrize("given", [-1, "much", "true"])
def test_other_bounds_of_the_cache_are_refused(make_config: MakeConfig, given: object) -> None:
    with pytest.raises(UserError, match=r"\[data\] cache: given .*; expected true, false, or a size in GB"):
        make_config(data={"cache": given})


def test_confirmation_may_be_added_but_not_taken_back(make_config: MakeConfig) -> None:
    plain, confirmed = make_config(), make_config(confirm={"top": 2, "seeds": 3, "controls": True})
    assert differences(plain, confirmed) == []
    assert [line.partition(":")[0] for line in differences(confirmed, plain)] == [
        "confirm.controls",
        "confirm.seeds",
        "confirm.top",
    ]


def test_controls_need_a_winner(make_config: MakeConfig) -> None:
    with pytest.raises(UserError, match=r"\[confirm\] controls: needs a winner to compare with; set top to 1 or more"):
        make_config(confirm={"controls": True})
