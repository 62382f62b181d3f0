"""What every room asks of an ONNX model: read and write it, its opset, ports, constants, names and subgraphs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoosmith.onnx_model.errors import ModelError as ModelError
    from zoosmith.onnx_model.errors import ZoosmithError as ZoosmithError
    from zoosmith.onnx_model.loading import Model as Model
    from zoosmith.onnx_model.loading import load_model as load_model
    from zoosmith.onnx_model.ports import Port as Port
    from zoosmith.onnx_model.saving import save_model as save_model

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "Model": "zoosmith.onnx_model.loading",
    "ModelError": "zoosmith.onnx_model.errors",
    "Port": "zoosmith.onnx_model.ports",
    "ZoosmithError": "zoosmith.onnx_model.errors",
    "load_model": "zoosmith.onnx_model.loading",
    "save_model": "zoosmith.onnx_model.saving",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
