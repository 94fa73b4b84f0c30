"""DeepLabV3+ networks for Keras: an `Architecture`, its model and its cost.

Importing this package does not import Keras; functions that need it import it on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .architecture import TUTORIAL, Architecture
from .cost import Cost, LayerCost, cost, layer_costs
from .encoders import ENCODERS
from .errors import EncoderWeightsError
from .latency import latency
from .sizes import feature_map_size

if TYPE_CHECKING:
    from .model import build_model, encoder_layers
    from .weights import check_encoder_weights

__all__ = [
    "ENCODERS",
    "TUTORIAL",
    "Architecture",
    "Cost",
    "EncoderWeightsError",
    "LayerCost",
    "build_model",
    "check_encoder_weights",
    "cost",
    "encoder_layers",
    "feature_map_size",
    "latency",
    "layer_costs",
]

_LAZY = {"build_model": "model", "encoder_layers": "model", "check_encoder_weights": "weights"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
