"""Programs that measure. TensorFlow loads here, before one of them imports it, so that its start-up stays quiet."""

from search.system.quiet import load_tensorflow

load_tensorflow()
