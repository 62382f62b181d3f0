"""Turn an fp32 ONNX model into an integer one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoosmith.quantize.calibration import Range as Range
    from zoosmith.quantize.calibration import calibrate as calibrate
    from zoosmith.quantize.errors import QuantizeError as QuantizeError
    from zoosmith.quantize.fallback import quantize_within as quantize_within
    from zoosmith.quantize.folding import fold as fold
    from zoosmith.quantize.quantizer import quantize as quantize
    from zoosmith.quantize.simplification import optimize as optimize
    from zoosmith.quantize.simplification import simplify as simplify

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "QuantizeError": "zoosmith.quantize.errors",
    "Range": "zoosmith.quantize.calibration",
    "calibrate": "zoosmith.quantize.calibration",
    "fold": "zoosmith.quantize.folding",
    "optimize": "zoosmith.quantize.simplification",
    "quantize": "zoosmith.quantize.quantizer",
    "quantize_within": "zoosmith.quantize.fallback",
    "simplify": "zoosmith.quantize.simplification",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
