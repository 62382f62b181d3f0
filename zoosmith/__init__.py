"""The toolkit's command line, recipes, build and archives."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoosmith.builder import build as build
    from zoosmith.bundles import bundle as bundle
    from zoosmith.bundles import validate as validate
    from zoosmith.onnx_model.errors import ZoosmithError as ZoosmithError
    from zoosmith.onnx_model.loading import load_model as load_model
    from zoosmith.onnx_model.saving import save_model as save_model

__version__ = "0.1.0"

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "ZoosmithError": "zoosmith.onnx_model.errors",
    "build": "zoosmith.builder",
    "bundle": "zoosmith.bundles",
    "load_model": "zoosmith.onnx_model.loading",
    "save_model": "zoosmith.onnx_model.saving",
    "validate": "zoosmith.bundles",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
