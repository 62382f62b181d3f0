"""Turn an fp32 ONNX model into an integer one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantize.calibration import Range as Range
    from quantize.calibration import calibrate as calibrate
    from quantize.errors import QuantizeError as QuantizeError
    from quantize.fallback import quantize_within as quantize_within
    from quantize.folding import fold as fold
    from quantize.quantizer import quantize as quantize
    from quantize.simplification import optimize as optimize
    from quantize.simplification import simplify as simplify

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "QuantizeError": "quantize.errors",
    "Range": "quantize.calibration",
    "calibrate": "quantize.calibration",
    "fold": "quantize.folding",
    "optimize": "quantize.simplification",
    "quantize": "quantize.quantizer",
    "quantize_within": "quantize.fallback",
    "simplify": "quantize.simplification",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
