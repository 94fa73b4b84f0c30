"""An image of 10,000 x 10,000 pixels is predicted within 4 GB of memory."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tests.integration.program import environment

SIDE, CLASSES = 10_000, 11
GIGABYTES = 4
PREDICT = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from search.commands.predict import predict_images
    predict_images(Path("model.keras"), [Path("large.png")], Path("out"), tile=sys.argv[1])
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    """
)


@pytest.mark.grid
@pytest.mark.parametrize("tile", ["auto", "off", "700"])
def test_a_large_image_needs_little_memory(tmp_path: Path, tile: str) -> None:
    # The least network of its size: what is measured is what lies around it.
    layers = [keras.Input((512, 512, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(CLASSES, 1)]
    keras.Sequential([*layers, keras.layers.Softmax()]).save(tmp_path / "model.keras")
    names = [f"class {index}" for index in range(CLASSES)]
    (tmp_path / "labels.toml").write_text(
        f'classes = {names}\noutputs = {CLASSES}\nimage_size = [512, 512]\nresize = "crop"\n'
    )
    # Repeated noise, which compresses well, so that the test does not wait for PNG.
    patch = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    Image.fromarray(np.tile(patch, (SIDE // 50, SIDE // 50, 1))).save(tmp_path / "large.png", compress_level=1)
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, tile],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.rpartition("peak ")[2])
    assert peak < GIGABYTES * 1e9, f"{peak / 1e9:.2f} GB"
    with Image.open(tmp_path / "out" / "large.png") as mask:
        assert mask.size == (SIDE, SIDE)
