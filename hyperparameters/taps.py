"""The encoder layers that a study offers as taps: each layer once, and only where it is possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from deeplab import ENCODERS
from deeplab.encoders import encoder_entry
from deeplab.profile import encoder_profile
from deeplab.taps import resolve_aspp_tap, resolve_low_level_tap
from hyperparameters.dimensions import Dimension, SpaceError, Value, parse_dimension
from hyperparameters.offers import Offer, scope_of

TAPS = ("aspp_tap", "low_level_tap")

# Encoder -> the names that the study file gives for it; "" stands for every encoder.
Written = Mapping[str, tuple[str, ...]]


def parse_tap(tap: str, given: Any) -> Written:
    """Read `aspp_tap` or `low_level_tap` in `[space]`: a name, a list, or a table of these by encoder.

    Raises:
        SpaceError: an encoder is unknown, or a value is not a name.
    """
    if not isinstance(given, dict) or not given or given.keys() & {"min", "max"}:
        return {"": _names(tap, given)}
    unknown = [encoder for encoder in given if encoder not in ENCODERS]
    if unknown:
        raise SpaceError([f"[space] {tap}: unknown encoder {', '.join(unknown)}; available: {', '.join(ENCODERS)}."])
    return {encoder: _names(tap, names) for encoder, names in given.items()}


def split_tap(tap: str, value: Value) -> Any:
    """A tap's value in the form that `Architecture` expects."""
    return tuple(str(value).split("+")) if tap == "low_level_tap" else value


def tap_layers(tap: str, name: Value, encoder: str, output_stride: int, aspp_layer: str) -> str:
    """The layers that compute what a tap's value refers to, again in the form of a value.

    Raises:
        ValueError: there is no such layer, or it cannot be tapped.
    """
    if tap == "aspp_tap":
        return _source(encoder, resolve_aspp_tap(encoder, output_stride, str(name)))
    layers = resolve_low_level_tap(encoder, aspp_layer, str(name).split("+"))
    return "+".join(_source(encoder, layer) for layer in layers)


def _source(encoder: str, layer: str) -> str:
    """The layer that computes a layer's output: an earlier one if the layer only passes on its input."""
    profile = encoder_profile(encoder, 32)
    while profile[layer].passes:
        (layer,) = profile[layer].inputs
    return layer


@dataclass(frozen=True)
class Place:
    """The values on which a tap's choices depend.

    Attributes:
        aspp: KerasTuner's name and the value of the ASPP tap, if that is searched.
        aspp_layer: the layer of the ASPP tap; empty while the ASPP tap itself is being chosen.
    """

    encoder: str
    output_stride: int
    aspp: tuple[str, str] | None = None
    aspp_layer: str = ""

    def own(self, tap: str) -> str:
        """The encoder's own tap; for ResNet50, the tutorial's."""
        entry = encoder_entry(self.encoder)
        return entry.default_aspp_tap(self.output_stride) if tap == "aspp_tap" else "+".join(entry.low_level)

    @property
    def parents(self) -> dict[str, Any]:
        """The hyperparameters that distinguish this place from others, and their values."""
        parents: dict[str, Any] = {"encoder": self.encoder, "output_stride": self.output_stride}
        return parents if self.aspp is None else parents | {"aspp_tap": self.aspp}


@dataclass
class TapChoices:
    """Offers the taps of a space, and collects notes about them for the user.

    Attributes:
        fixed, searched: of the space; a tap with a single choice is added to `fixed`, any other to `searched`.
        written: tap -> its value in the study file.
        offers: of the searched taps.
        notes: for the user.
    """

    fixed: dict[str, Value]
    searched: dict[str, Dimension]
    written: Mapping[str, Written]
    offers: list[Offer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def offer(self) -> None:
        """Offer both taps.

        Raises:
            SpaceError: an encoder is not in the space, a layer is unknown, or no choice is left at some place.
        """
        encoders, strides = self._values("encoder"), self._values("output_stride")
        self._check_encoders(encoders)
        places = [Place(str(encoder), int(stride)) for encoder in encoders for stride in strides]
        choices = self._choose("aspp_tap", places)
        if max(self._values("low_level_filters")) == 0:
            return
        deeper = [
            replace(place, aspp=self._searched_aspp(place, name), aspp_layer=layer)
            for place, layers in zip(places, choices, strict=True)
            for name, layer in layers.items()
        ]
        self._choose("low_level_tap", deeper)

    def _choose(self, tap: str, places: Sequence[Place]) -> list[dict[str, str]]:
        """For each place, the names that are possible there, with their layers; offers them."""
        choices: list[dict[str, str]] = []
        refused: dict[tuple[str, str], list[tuple[Place, str]]] = {}
        for place in places:
            layers: dict[str, str] = {}
            for name in self._named(tap, place):
                try:
                    layer = tap_layers(tap, name, place.encoder, place.output_stride, place.aspp_layer)
                except ValueError as error:
                    refused.setdefault((place.encoder, name), []).append((place, str(error)))
                    continue
                same = next((other for other, known in layers.items() if known == layer), None)
                if same is None:
                    layers[name] = layer
                else:
                    self._note(f"{tap}: {name} of {place.encoder} is the same layer as {same}, and is offered once.")
            choices.append(layers)
        self._judge(tap, dict(zip(places, choices, strict=True)), refused)
        if tap in self.written:  # else `Architecture` takes the encoder's own
            self._add(tap, places, choices)
        return choices

    def _judge(
        self,
        tap: str,
        choices: Mapping[Place, Mapping[str, str]],
        refused: Mapping[tuple[str, str], list[tuple[Place, str]]],
    ) -> None:
        """Reject names that are possible nowhere and places without any choice; note names that are left out."""
        problems = []
        left_out: dict[tuple[str, str], list[str]] = {}
        for (encoder, name), refusals in refused.items():
            everywhere = len(refusals) == sum(place.encoder == encoder for place in choices)
            reason = next((why for place, why in refusals if everywhere or not choices[place]), None)
            if reason is not None:
                differ = "" in self.written.get(tap, {}) and len(self._values("encoder")) > 1
                hint = f" (To give names per encoder: {tap} = {{ {encoder} = ..., ... }}.)" if differ else ""
                problems.append(f"[space] {tap}: {reason}{hint}")
                continue
            for place, _ in refusals:
                told = [f"{parent} is {value}" for parent, value in _told_apart(place) if parent in self.searched]
                left_out.setdefault((name, " and ".join(told)), []).append(encoder)
        if problems:
            raise SpaceError(list(dict.fromkeys(problems)))
        for (name, where), encoders in left_out.items():
            of = "" if len(encoders) == len(self._values("encoder")) else f" of {', '.join(encoders)}"
            self._note(f"{tap}: {name}{of} is left out where {where}: it is impossible there.")

    def _named(self, tap: str, place: Place) -> tuple[str, ...]:
        """The names at a place: the study file's, or the encoder's own tap."""
        written = self.written.get(tap, {})
        return written.get(place.encoder) or written.get("") or (place.own(tap),)

    def _add(self, tap: str, places: Sequence[Place], choices: Sequence[Mapping[str, str]]) -> None:
        """Fix a tap, or offer it: once, or once for each combination of the values on which its choices depend."""
        names = tuple(dict.fromkeys(name for layers in choices for name in layers))
        if len(names) == 1:
            self.fixed[tap] = names[0]
            return
        offers = []
        for deciding, index in _by_parents(places, [tuple(layers) for layers in choices]):
            offered, own = tuple(choices[index]), places[index].own(tap)
            default = next((name for name, layer in choices[index].items() if layer == own), offered[0])
            scope = dict(value if parent == "aspp_tap" else (parent, value) for parent, value in deciding.items())
            offers.append(
                Offer(
                    tap,
                    Dimension("str", default, offered),
                    {parent: (value,) for parent, value in scope.items()} | scope_of(tap, self.searched),
                    "/".join([*_words(deciding), tap]),
                )
            )
        self.searched[tap] = Dimension("str", offers[0].dimension.default, names)
        self.offers += offers

    def _searched_aspp(self, place: Place, name: str) -> tuple[str, str] | None:
        keys = [offer.key for offer in self.offers if offer.exists_at(place.parents)]
        return (keys[0], name) if keys else None

    def _check_encoders(self, encoders: Sequence[Any]) -> None:
        problems = [
            f"[space] {tap}: given for {encoder}, which is not in the space; its encoders are {', '.join(encoders)}."
            for tap, written in self.written.items()
            for encoder in written
            if encoder and encoder not in encoders
        ]
        if problems:
            raise SpaceError(problems)

    def _values(self, name: str) -> tuple[Any, ...]:
        return self.searched[name].values() if name in self.searched else (self.fixed[name],)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _names(tap: str, given: Any) -> tuple[str, ...]:
    dimension = parse_dimension(tap, given, None)
    return tuple(map(str, dimension.choices if isinstance(dimension, Dimension) else (dimension,)))


def _by_parents(places: Sequence[Place], choices: Sequence[tuple[str, ...]]) -> list[tuple[dict[str, Any], int]]:
    """The values of the fewest parents that determine the choices, each with the index of a place with these values."""
    for count in range(len(places[0].parents) + 1):
        for deciding in combinations(places[0].parents, count):
            keys = [tuple(place.parents[parent] for parent in deciding) for place in places]
            first = {key: index for index, key in reversed(list(enumerate(keys)))}
            if all(choices[first[key]] == offered for key, offered in zip(keys, choices, strict=True)):
                return [(dict(zip(deciding, key, strict=True)), first[key]) for key in dict.fromkeys(keys)]
    raise AssertionError("a place determines its choices")


def _words(parents: Mapping[str, Any]) -> list[str]:
    """Values of parents as parts of a name; an encoder needs no prefix."""
    shown = (value if parent == "aspp_tap" else (parent, value) for parent, value in parents.items())
    return [str(value) if parent == "encoder" else f"{parent}_{value}" for parent, value in shown]


def _told_apart(place: Place) -> list[tuple[str, Any]]:
    """What distinguishes the places of one encoder, under user-facing names."""
    others = ((parent, value) for parent, value in place.parents.items() if parent != "encoder")
    return [(parent, value[1] if parent == "aspp_tap" else value) for parent, value in others]
