"""Read and write Caffe2 nets and translate them to ONNX, without Caffe2."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoosmith.convert.errors import ConvertError as ConvertError
    from zoosmith.convert.nets import NetSource as NetSource
    from zoosmith.convert.nets import read_net as read_net
    from zoosmith.convert.nets import write_net as write_net
    from zoosmith.convert.parameters import read_parameters as read_parameters
    from zoosmith.convert.translation import caffe2_to_onnx as caffe2_to_onnx
    from zoosmith.convert.translation import untranslatable as untranslatable

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "ConvertError": "zoosmith.convert.errors",
    "NetSource": "zoosmith.convert.nets",
    "caffe2_to_onnx": "zoosmith.convert.translation",
    "read_net": "zoosmith.convert.nets",
    "read_parameters": "zoosmith.convert.parameters",
    "untranslatable": "zoosmith.convert.translation",
    "write_net": "zoosmith.convert.nets",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
