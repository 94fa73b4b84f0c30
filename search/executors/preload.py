"""Imported once by the process that trials are forked from: loads the libraries, and starts none of their threads."""

from search.quiet import load_tensorflow

load_tensorflow()

import datasets.pipeline  # noqa: E402, F401
import search.training  # noqa: E402, F401
