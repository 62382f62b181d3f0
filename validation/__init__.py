"""Run models and nets, compare what they give, measure."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from validation.accuracy import Evaluation as Evaluation
    from validation.accuracy import evaluate as evaluate
    from validation.caffe2 import Caffe2Onnx as Caffe2Onnx
    from validation.caffe2 import Caffe2Runner as Caffe2Runner
    from validation.caffe2 import Caffe2Worker as Caffe2Worker
    from validation.comparison import Comparison as Comparison
    from validation.comparison import compare as compare
    from validation.errors import ValidationError as ValidationError
    from validation.images import ImageFolder as ImageFolder
    from validation.images import load_images as load_images
    from validation.interpreter.engine import NetInterpreter as NetInterpreter
    from validation.interpreter.engine import interpret as interpret
    from validation.latency import Latency as Latency
    from validation.latency import measure as measure
    from validation.memory import peak_memory as peak_memory
    from validation.preprocess import preprocessing as preprocessing
    from validation.runners import OnnxRuntimeRunner as OnnxRuntimeRunner
    from validation.runners import ReferenceRunner as ReferenceRunner
    from validation.runners import runner_for as runner_for
    from validation.testdata import random_inputs as random_inputs

# Public name -> module that holds it; loaded on first use, so that importing the room costs nothing.
_PUBLIC = {
    "Caffe2Onnx": "validation.caffe2",
    "Caffe2Runner": "validation.caffe2",
    "Caffe2Worker": "validation.caffe2",
    "Comparison": "validation.comparison",
    "Evaluation": "validation.accuracy",
    "ImageFolder": "validation.images",
    "Latency": "validation.latency",
    "NetInterpreter": "validation.interpreter.engine",
    "OnnxRuntimeRunner": "validation.runners",
    "ReferenceRunner": "validation.runners",
    "ValidationError": "validation.errors",
    "compare": "validation.comparison",
    "evaluate": "validation.accuracy",
    "interpret": "validation.interpreter.engine",
    "load_images": "validation.images",
    "measure": "validation.latency",
    "peak_memory": "validation.memory",
    "preprocessing": "validation.preprocess",
    "random_inputs": "validation.testdata",
    "runner_for": "validation.runners",
}

__all__ = [  # noqa: PLE0604
    *_PUBLIC,
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
