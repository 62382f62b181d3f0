"""Run models and nets, compare what they give, measure."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoosmith.validation.accuracy import Evaluation as Evaluation
    from zoosmith.validation.accuracy import evaluate as evaluate
    from zoosmith.validation.caffe2 import Caffe2Onnx as Caffe2Onnx
    from zoosmith.validation.caffe2 import Caffe2Runner as Caffe2Runner
    from zoosmith.validation.caffe2 import Caffe2Worker as Caffe2Worker
    from zoosmith.validation.comparison import Comparison as Comparison
    from zoosmith.validation.comparison import compare as compare
    from zoosmith.validation.errors import ValidationError as ValidationError
    from zoosmith.validation.images import ImageFolder as ImageFolder
    from zoosmith.validation.images import load_images as load_images
    from zoosmith.validation.interpreter.engine import NetInterpreter as NetInterpreter
    from zoosmith.validation.interpreter.engine import interpret as interpret
    from zoosmith.validation.latency import Latency as Latency
    from zoosmith.validation.latency import measure as measure
    from zoosmith.validation.memory import peak_memory as peak_memory
    from zoosmith.validation.preprocess import preprocessing as preprocessing
    from zoosmith.validation.runners import OnnxRuntimeRunner as OnnxRuntimeRunner
    from zoosmith.validation.runners import ReferenceRunner as ReferenceRunner
    from zoosmith.validation.runners import runner_for as runner_for
    from zoosmith.validation.testdata import random_inputs as random_inputs

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "Caffe2Onnx": "zoosmith.validation.caffe2",
    "Caffe2Runner": "zoosmith.validation.caffe2",
    "Caffe2Worker": "zoosmith.validation.caffe2",
    "Comparison": "zoosmith.validation.comparison",
    "Evaluation": "zoosmith.validation.accuracy",
    "ImageFolder": "zoosmith.validation.images",
    "Latency": "zoosmith.validation.latency",
    "NetInterpreter": "zoosmith.validation.interpreter.engine",
    "OnnxRuntimeRunner": "zoosmith.validation.runners",
    "ReferenceRunner": "zoosmith.validation.runners",
    "ValidationError": "zoosmith.validation.errors",
    "compare": "zoosmith.validation.comparison",
    "evaluate": "zoosmith.validation.accuracy",
    "interpret": "zoosmith.validation.interpreter.engine",
    "load_images": "zoosmith.validation.images",
    "measure": "zoosmith.validation.latency",
    "peak_memory": "zoosmith.validation.memory",
    "preprocessing": "zoosmith.validation.preprocess",
    "random_inputs": "zoosmith.validation.testdata",
    "runner_for": "zoosmith.validation.runners",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
