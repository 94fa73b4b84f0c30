"""The device of a trial: its GPU or its cores, its precision and its memory."""

from __future__ import annotations

import os
import resource
import sys

from search.system.quiet import load_tensorflow
from search.trial.contract import Device


def precision_policy(precision: str) -> str:
    """The Keras dtype policy of a recipe's `precision`; `auto` is mixed precision if the GPU has hardware for it.

    bfloat16 from compute capability 8.0 on, float16 from 7.0 on (tensor cores), else float32.
    """
    import tensorflow as tf

    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "float32"
    capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
    if capability >= (8, 0):
        return "mixed_bfloat16"
    return "mixed_float16" if capability >= (7, 0) else "float32"


def peak_memory_mb() -> float:
    """Peak memory of this process in MiB: the GPU's if there is one, else main memory."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / 2**20
    # Linux counts KiB, macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def prepare_device(device: Device) -> None:
    """Give this process its GPU, or its share of the cores, before TensorFlow looks for devices."""
    os.environ["CUDA_VISIBLE_DEVICES"] = device.gpu if device.gpu is not None else "-1"
    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(device.threads)
    tf.config.threading.set_inter_op_parallelism_threads(device.threads)
    gpus = tf.config.list_physical_devices("GPU")
    if device.gpu is not None and not gpus:
        raise RuntimeError(f"TensorFlow cannot use GPU {device.gpu}; see deeplab-search doctor")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    # On CPUs the graph optimizer takes longer than it saves: half of the time to the first step.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not gpus})
