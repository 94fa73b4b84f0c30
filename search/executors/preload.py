"""Imported once by the process that trials are forked from: loads the libraries, and starts none of their threads."""

from search.system.quiet import load_tensorflow

load_tensorflow()

import datasets.pipeline  # noqa: E402, F401
import search.trial.events  # noqa: E402
import search.trial.run  # noqa: E402
import search.trial.setup  # noqa: E402, F401
