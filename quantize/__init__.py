"""Turn an fp32 ONNX model into an integer one."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantize.errors import QuantizeError as QuantizeError

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "QuantizeError": "quantize.errors",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
