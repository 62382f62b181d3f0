"""Move an ONNX model from any opset to any other, up or down, with its meaning kept."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoosmith.opset_upgrade.converter import convert_version as convert_version
    from zoosmith.opset_upgrade.errors import OpsetError as OpsetError

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "OpsetError": "zoosmith.opset_upgrade.errors",
    "convert_version": "zoosmith.opset_upgrade.converter",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
