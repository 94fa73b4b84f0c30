"""How fast a space is sampled: 10,000 points drawn, each with the cost of its network. Prints JSON.

    python benchmarks/sampling.py [STUDY.toml]      (default: studies/folder.toml)

`first_ms` is the cost of each encoder's first network, which builds the encoder; `cost_ms` that of one whose encoder is
known; `build_ms` what building a network of the space takes instead. Times are of the processor, not of the clock.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from search.quiet import load_tensorflow

POINTS = 10_000
OUTPUTS = 11


def main() -> None:
    """Draw, count, and print what it took."""
    load_tensorflow()
    from deeplab import build_model, cost
    from search.config import load_config
    from search.drawing import draw_values
    from search.prepare import read_space

    path = Path(sys.argv[1] if len(sys.argv) > 1 else "studies/folder.toml")
    config = load_config(path)
    space, size = read_space(config, str(path)), config.data.image_size
    hyperparameters = space.hyperparameters()

    first: dict[str, float] = {}
    times: list[float] = []
    fitting = 0
    started = time.process_time()
    for number in range(POINTS):
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
    report = {
        "study": str(path),
        "points": POINTS,
        "seconds": round(seconds, 2),
        "seconds_without_encoders": round(seconds - sum(first.values()) / 1000, 2),
        "cost_ms": {"median": round(statistics.median(times), 4), "max": round(max(times), 3)},
        "first_ms": {name: round(taken) for name, taken in first.items()},
        "build_ms": round(build),
        "build_to_cost": round(build / statistics.median(times)),
        "share_within_the_feature_map": round(fitting / POINTS, 3),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
