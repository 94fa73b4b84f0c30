"""What a GPU makes of training: step time, mixed precision, memory, latency, and two trials on one card.

Each case runs in a process of its own, so that its peak memory is its own. It runs on TensorFlow or, where that is not
installed, on JAX (`KERAS_BACKEND=jax`), always compiled by XLA: the numbers compare precisions and networks on one
card, not the backends. `--full` adds the tutorial's network at twice the batch size, and float16. Without a GPU,
nothing is measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks._measure import NO_GPU, arguments, console, describe_machine, device_name, report

CLASSES, ROUNDS, STEPS = 11, 5, 20
NETWORKS: dict[str, dict[str, Any]] = {
    "tutorial": {},
    "MobileNetV2, separable": {"encoder": "MobileNetV2", "aspp_separable": True, "decoder_separable": True},
    "tiny": {"encoder": "MobileNetV2", "aspp_rates": (2,), "aspp_filters": 8, "decoder_filters": 8},
}
PRECISIONS = {"float32": "float32", "float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}
ONE = "DEEPLAB_BENCHMARK_CASE"
# JAX would otherwise take most of the device for the first process.
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


class Case(NamedTuple):
    """One measurement: a network at a size and batch size, and how many trainings share the card."""

    network: str
    side: int
    batch: int
    precision: str
    trainings: int = 1


def main() -> None:
    """Measure each case; print milliseconds, memory and ratios."""
    if ONE in os.environ:
        print(json.dumps(measure(Case(*json.loads(os.environ[ONE])))))
        return
    options = arguments(__doc__ or "")
    os.environ |= SHARED
    if device_name() == NO_GPU and not options.smoke:
        console.print("gpu: no GPU is found, nothing is measured")
        print(json.dumps({"benchmark": "gpu", "machine": describe_machine(), "rows": []}))
        return
    rows = []
    for case in cases(options.full, options.smoke):
        rows.append(row(case))
        console.print(json.dumps(rows[-1]))
    report("gpu", rows, **ratios(rows))


def cases(full: bool, smoke: bool) -> Iterator[Case]:
    """What is measured."""
    if smoke:
        yield from (Case("tiny", 64, 2, "float32"), Case("tiny", 64, 2, "float32", 2))
        return
    for network in ("tutorial", "MobileNetV2, separable"):
        for precision in ("float32", "bfloat16", *(("float16",) if full else ())):
            yield Case(network, 512, 8, precision)
    small = Case("MobileNetV2, separable", 256, 8, "bfloat16")
    yield from (small, small._replace(trainings=2))
    if full:
        yield Case("tutorial", 512, 16, "bfloat16")


def row(case: Case) -> dict[str, Any]:
    """One case's row of the table: several trainings run at the same time."""
    environment = {**os.environ, ONE: json.dumps(case)}
    command = [sys.executable, "-m", "benchmarks.gpu"]
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(case.trainings)
    ]
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError(f"{case} failed")
    found = [json.loads(output.splitlines()[-1]) for output in outputs]
    step = statistics.mean(each["step_ms"] for each in found)
    return {
        **case._asdict(),
        "first_step_s": round(max(each["first_step_s"] for each in found), 1),
        "step_ms": round(step, 1),
        "images_per_second": round(case.trainings * case.batch / step * 1e3),
        "latency_ms": round(statistics.mean(each["latency_ms"] for each in found), 2),
        "peak_memory_mb": round(sum(each["peak_memory_mb"] for each in found)),
        "device": found[0]["device"],
    }


def ratios(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """How much faster half precision is, and how much more two trainings on one card do than one."""
    found = {}
    rates = {(row["network"], row["side"], row["batch"], row["precision"], row["trainings"]): row for row in rows}
    for (network, side, batch, precision, trainings), one in rates.items():
        plain = rates.get((network, side, batch, "float32", trainings))
        if plain is not None and precision != "float32":
            found[f"{precision}_times_faster_{network}"] = plain["step_ms"] / one["step_ms"]
        alone = rates.get((network, side, batch, precision, 1))
        if alone is not None and trainings > 1:
            found[f"{trainings}_trainings_do_times_as_much"] = one["images_per_second"] / alone["images_per_second"]
    return found


def measure(case: Case) -> dict[str, Any]:
    """Seconds to the first step, milliseconds per step and per single image, and peak memory, of one training."""
    import keras
    import numpy as np

    from deeplab import Architecture, build_model
    from deeplab.losses import make_loss
    from recipe import Recipe, make_optimizer

    keras.config.set_dtype_policy(PRECISIONS[case.precision])
    size = (case.side, case.side)
    model = build_model(Architecture(**NETWORKS[case.network]), size, CLASSES, output="logits")
    optimizer = make_optimizer(Recipe(), 10_000)
    if case.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer=optimizer, loss=make_loss("crossentropy", CLASSES, 255), jit_compile=True)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (case.batch * STEPS, *size, 3), np.uint8)
    masks = rng.integers(0, CLASSES, (case.batch * STEPS, *size), np.uint8)
    first = _seconds(model, images[: case.batch], masks[: case.batch], case.batch)
    rounds = [_seconds(model, images, masks, case.batch) / STEPS for _ in range(ROUNDS)]
    peak = peak_memory_mb()
    predict = model.predict_on_batch
    predict(images[:1])
    latencies = []
    for _ in range(ROUNDS * STEPS):
        started = time.perf_counter()
        predict(images[:1])
        latencies.append(time.perf_counter() - started)
    return {
        "first_step_s": first,
        "step_ms": 1e3 * statistics.median(rounds),
        "latency_ms": 1e3 * statistics.median(latencies),
        "peak_memory_mb": peak,
        "device": device_name(),
    }


def _seconds(model: Any, images: Any, masks: Any, batch: int) -> float:
    started = time.perf_counter()
    model.fit(images, masks, batch_size=batch, epochs=1, verbose=0, shuffle=False)
    return time.perf_counter() - started


def peak_memory_mb() -> float:
    """The most that this process has held of the device; 0 where there is no GPU."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return float((jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)) / 2**20
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    return float(tf.config.experimental.get_memory_info(gpus[0].name)["peak"]) / 2**20 if gpus else 0.0


if __name__ == "__main__":
    main()
