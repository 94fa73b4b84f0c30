"""How fast a space is sampled: 10,000 points of `studies/folder.toml`, each with the cost of its network.

Once the encoder has been built, a cost takes milliseconds; without it, the network itself would have to be built. Times
are processor times, not wall-clock times.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from benchmarks._measure import arguments, report
from deeplab import build_model, cost
from search.oracle.samplers.random import draw_values
from search.study.prepare import read_space
from search.study.reading import load_config

STUDY = Path(__file__).parents[1] / "studies" / "folder.toml"
POINTS = 10_000
OUTPUTS = 11


def main() -> None:
    """Draw, count, and print the times."""
    options = arguments(__doc__ or "")
    points = 50 if options.smoke else POINTS
    config = load_config(STUDY)
    space, size = read_space(config, str(STUDY)), config.data.image_size
    hyperparameters = space.hyperparameters()

    first: dict[str, float] = {}
    times: list[float] = []
    fitting = 0
    started = time.process_time()
    for number in range(points):
        values = draw_values(hyperparameters, [config.study.seed, number])
        fitting += space.admits(values)
        architecture = space.architecture(values)
        before = time.process_time()
        cost(architecture, size, OUTPUTS)
        taken = 1000 * (time.process_time() - before)
        key = f"{architecture.encoder}, output stride {architecture.output_stride}"
        if key in first:
            times.append(taken)
        else:
            first[key] = taken
    seconds = time.process_time() - started
    before = time.process_time()
    build_model(architecture, size, OUTPUTS)
    build = 1000 * (time.process_time() - before)
    rows = [{"what": f"first cost of {name}", "ms": round(taken)} for name, taken in first.items()]
    rows += [
        {"what": "a later cost, median", "ms": round(statistics.median(times), 4)},
        {"what": "a later cost, longest", "ms": round(max(times), 3)},
        {"what": "building the network", "ms": round(build)},
    ]
    without = seconds - sum(first.values()) / 1000
    report(
        "sampling",
        rows,
        points=points,
        seconds=seconds,
        seconds_without_encoders=without,
        share_fitting=fitting / points,
    )


if __name__ == "__main__":
    main()
