"""What losses and crops are worth where the objects are thin and rare: wires of 1 to 3 pixels, 1 % of drawn scenes.

Trains one network on the same scenes with each loss and each way to bring scenes to the network's size, in turns, and
measures the wires' IoU on scenes that it has not seen, at their own size. In the resized scenes most wires are thinner
than a pixel. Two seeds of the four corners take about 5 minutes on 2 cores; `--full` takes five seeds and more losses.
"""

from __future__ import annotations

import statistics
from itertools import product
from typing import Any

from benchmarks._measure import arguments, console, report, with_progress
from datasets import Dataset, Resize
from datasets.cores import usable_cores
from datasets.formats import open_dataset
from deeplab import Architecture
from recipe import Recipe
from search.executors.devices import list_gpus, share_devices
from search.results.evaluation import Evaluation
from search.results.views import Views, averaged
from search.trial.device import prepare_device

IMAGE_SIZE, SCENE_SIZE = (96, 128), (288, 384)
EPOCHS, IMAGES, TEST_IMAGES = 16, 96, 24
CROSSENTROPY = "crossentropy"
LOSSES = (CROSSENTROPY, "crossentropy+dice", "weighted_crossentropy", "dice")
SHORT = 2
NETWORK: dict[str, Any] = {
    "encoder": "MobileNetV2",
    "output_stride": 8,
    "aspp_tap": "stage3",
    "aspp_filters": 32,
    "aspp_rates": (2, 4),
    "low_level_filters": 16,
    "decoder_filters": 32,
}


def main() -> None:
    """Train, and print the wires' IoU for each loss and each way to resize, with the differences that matter."""
    options = arguments(__doc__ or "")
    epochs, images, test_images = (1, 4, 2) if options.smoke else (EPOCHS, IMAGES, TEST_IMAGES)
    (device,) = share_devices(1, list_gpus()[:1], usable_cores())
    prepare_device(device)
    losses = LOSSES if options.full else LOSSES[:SHORT]
    resizes: tuple[Resize, ...] = ("stretch", "crop")
    seeds = range(5 if options.full else 1 if options.smoke else 2)
    found: dict[tuple[Resize, str], list[float]] = {pair: [] for pair in product(resizes, losses)}
    for seed, (resize, loss) in with_progress("rare_objects", list(product(seeds, found))):
        data = scenes(resize, seed, images, test_images)
        found[resize, loss].append(wire_iou(data, loss, epochs, seed))
        console.print(f"{resize}, {loss}, seed {seed}: wire IoU {found[resize, loss][-1]:.3f}")
    rows = [row(*pair, scores) for pair, scores in found.items()]
    mean = {pair: statistics.mean(scores) for pair, scores in found.items()}
    best = max(losses[1:], key=lambda loss: mean["crop", loss])
    report(
        "rare_objects",
        rows,
        best_loss=best,
        gain_of_the_best_loss=mean["crop", best] - mean["crop", CROSSENTROPY],
        gain_of_crops=mean["crop", CROSSENTROPY] - mean["stretch", CROSSENTROPY],
        gain_of_both=mean["crop", best] - mean["stretch", CROSSENTROPY],
        epochs=epochs,
        images=images,
    )


def scenes(resize: Resize, seed: int, images: int, test_images: int) -> Dataset:
    """Scenes with wires as the only object, larger than the network's input; the same for every way to resize."""
    return open_dataset(
        "synthetic",
        image_size=IMAGE_SIZE,
        resize=resize,
        scene_size=SCENE_SIZE,
        thin=True,
        classes=1,
        seed=seed,
        train_images=images,
        val_images=1,
        test_images=test_images,
    )


def wire_iou(data: Dataset, loss: str, epochs: int, seed: int) -> float:
    """The IoU of the wires on the test scenes, at their own size, after the last epoch."""
    from keras import ops

    from search.trial.training import Trainer

    recipe = Recipe.model_validate({"learning_rate": 3e-3, "batch_size": 8, "loss": loss})
    trainer = Trainer(
        Architecture(**NETWORK), recipe, data, IMAGE_SIZE, max_epochs=epochs, encoder_weights=None, seed=seed
    )
    for epoch in range(1, epochs + 1):
        trainer.train_epoch(epoch)

    def probabilities(batch: Any) -> Any:
        return ops.convert_to_numpy(ops.sigmoid(trainer.model(batch, training=False)))

    evaluation = Evaluation(data.class_names)
    for index in range(data.length("test")):
        image, mask, name = data.read("test", index)
        evaluation.add(name, mask, averaged(probabilities, image, data.framing, Views()))
    return evaluation.classes()[1].iou


def row(resize: str, loss: str, scores: list[float]) -> dict[str, Any]:
    """One row of the table: the mean over the seeds, and each seed's score."""
    return {
        "resize": resize,
        "loss": loss,
        "wire_iou": statistics.mean(scores),
        "deviation": statistics.stdev(scores) if len(scores) > 1 else 0.0,
        "seeds": " ".join(f"{score:.3f}" for score in scores),
    }


if __name__ == "__main__":
    main()
