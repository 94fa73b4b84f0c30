"""How many threads TensorFlow computes with, as code."""

from __future__ import annotations


def tensorflow_threads(threads: int | None) -> str:
    """Lines that set the number before TensorFlow starts any; none where it is left to TensorFlow."""
    if threads is None:
        return ""
    return (
        "import tensorflow\n\n"
        f"tensorflow.config.threading.set_intra_op_parallelism_threads({threads})\n"
        f"tensorflow.config.threading.set_inter_op_parallelism_threads({threads})\n"
    )
