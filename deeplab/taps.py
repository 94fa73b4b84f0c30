"""Names of encoder layers (stage names and real ones), their strides and their order.

The encoder table is enough for its own taps. Only other names require the encoder's graph, and with it Keras.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from .encoders import encoder_entry

_COUNTED = re.compile(r"\d+|(?<=\d)[a-z](?=_)")  # `block2b_add` counts with letters


def resolve_aspp_tap(encoder: str, output_stride: int, tap: str) -> str:
    """The layer that an ASPP tap refers to; the encoder's default if it is empty.

    Raises:
        ValueError: there is no such layer, or it does not reach the output stride.
    """
    entry = encoder_entry(encoder)
    layer = _resolve(encoder, tap) if tap else entry.default_aspp_tap(output_stride)
    stride = natural_stride(encoder, layer)
    if stride < output_stride:
        raise ValueError(
            f"layer {layer!r} of {encoder} has stride {stride} and cannot give output_stride (={output_stride}): "
            f"choose output_stride <= {stride} or a deeper layer, one of {_stages(encoder, output_stride)}"
        )
    return layer


def resolve_low_level_tap(encoder: str, aspp_tap: str, taps: Sequence[str]) -> tuple[str, ...]:
    """The layers that low-level taps refer to, checked to be in order, from deep to shallow.

    Raises:
        ValueError: there is no such layer, or one is not shallower than the one before it; the first must be shallower
            than the ASPP tap.
    """
    layers = tuple(_resolve(encoder, tap) for tap in taps)
    deeper = aspp_tap
    for layer in layers:
        if not _is_shallower(encoder, layer, deeper):
            role = "aspp_tap" if deeper == aspp_tap else "low-level tap before it (they go deepest first)"
            raise ValueError(
                f"low-level tap {layer!r} (stride {natural_stride(encoder, layer)}) must be shallower than the {role}, "
                f"{deeper!r} (stride {natural_stride(encoder, deeper)})"
            )
        deeper = layer
    return layers


def natural_stride(encoder: str, layer: str) -> int:
    """Stride of a layer in keras.applications' own network, before any output stride is applied."""
    taps = encoder_entry(encoder).taps
    return taps[layer] if layer in taps else _graph_strides(encoder)[layer]


def _resolve(encoder: str, tap: str) -> str:
    entry = encoder_entry(encoder)
    layer = entry.stages.get(tap, tap)
    if layer not in entry.taps and layer not in _graph_strides(encoder):
        raise ValueError(_unknown_layer(encoder, tap))
    return layer


def _is_shallower(encoder: str, layer: str, than: str) -> bool:
    table = list(encoder_entry(encoder).taps)
    if layer in table and than in table:
        return table.index(layer) < table.index(than)
    from .profile import ancestors, encoder_profile

    return layer != than and layer in ancestors(encoder_profile(encoder, 32), [than])


def _graph_strides(encoder: str) -> dict[str, int]:
    from .profile import natural_strides

    return natural_strides(encoder)


def _stages(encoder: str, output_stride: int = 1) -> str:
    entry = encoder_entry(encoder)
    rows = ((stage, layer, entry.taps[layer]) for stage, layer in entry.stages.items())
    return ", ".join(f"{stage} = {layer} (stride {stride})" for stage, layer, stride in rows if stride >= output_stride)


def _unknown_layer(encoder: str, tap: str) -> str:
    strides = _graph_strides(encoder)
    by_stride: dict[int, list[str]] = {}
    for name, stride in strides.items():
        by_stride.setdefault(stride, []).append(name)
    near = difflib.get_close_matches(tap, [*strides, *encoder_entry(encoder).stages], n=1, cutoff=0.75)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    rows = "".join(f"\n  stride {stride}: {', '.join(_compact(names))}" for stride, names in by_stride.items())
    return f"{encoder} has no layer {tap!r} to tap.{meant} Stages: {_stages(encoder)}. All its layers:{rows}"


def _compact(names: Iterable[str]) -> list[str]:
    """Abbreviate names that differ only in one number or letter: `conv4_block{1..6}_out`."""
    splits = {name: [(name[: m.start()], name[m.end() :], m[0]) for m in _COUNTED.finditer(name)] for name in names}
    alike = Counter((head, tail) for split in splits.values() for head, tail, _ in split)
    rows: dict[tuple[str, str], list[str]] = {}
    for name, split in splits.items():
        head, tail, part = max(split, key=lambda each: alike[each[:2]], default=(name, "", ""))
        rows.setdefault((head, tail), []).append(part)
    return [f"{head}{_in_braces(parts)}{tail}" for (head, tail), parts in rows.items()]


def _in_braces(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    counts = {int(part) if part.isdigit() else ord(part): part for part in parts}
    first, last = min(counts), max(counts)
    if last - first == len(counts) - 1:
        return f"{{{counts[first]}..{counts[last]}}}"
    return f"{{{','.join(counts[count] for count in sorted(counts))}}}"
