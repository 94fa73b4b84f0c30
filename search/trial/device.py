"""The device of a trial: its GPU or its cores, its precision and its memory."""

from __future__ import annotations

import os
import resource
import sys

from search.system.quiet import load_tensorflow, silence
from search.trial.contract import Device
from search.trial.failures import one_line


class DeviceError(Exception):
    """A device cannot be used. That is the machine's fault, whatever was to be computed on it."""


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
    # Only NVIDIA's GPUs have a compute capability.
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
    """Give this process its GPU, or its share of the cores, before TensorFlow looks for devices.

    Raises:
        DeviceError: the GPU cannot be used.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = device.gpu if device.gpu is not None else "-1"  # -1 hides all GPUs
    load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(device.threads)
    tf.config.threading.set_inter_op_parallelism_threads(device.threads)
    gpus = tf.config.list_physical_devices("GPU")
    if device.gpu is not None and not gpus:
        raise DeviceError(f"TensorFlow does not find GPU {device.gpu}")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # several workers may share a GPU
    # On CPUs the graph optimizer takes longer than it saves: half of the time to the first step.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not gpus})
    if gpus:
        _use(str(device.gpu))


def why_unusable(gpu: str) -> str | None:
    """Use a GPU once in this process, which is for nothing else and prints nothing; why that failed, or None."""
    silence()
    try:
        prepare_device(Device("check", gpu, 1))
    except DeviceError as error:
        return str(error)
    return None


def _use(gpu: str) -> None:
    """Compute something on this process's only GPU: one that is listed need not work. Raises DeviceError."""
    import tensorflow as tf

    try:
        with tf.device("GPU:0"):
            tf.reduce_sum(tf.ones((8, 8)) @ tf.ones((8, 8))).numpy()
    # TensorFlow and CUDA raise errors of many kinds, and whatever it is, no trial can be computed there.
    except Exception as error:
        raise DeviceError(f"TensorFlow cannot use GPU {gpu}: {one_line(error)}") from error
