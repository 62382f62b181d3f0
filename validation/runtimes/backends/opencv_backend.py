"""OpenCV's dnn module."""

import platform
import re
from typing import Any

import cv2
import numpy


class Backend:
    """Nets by number."""

    def __init__(self) -> None:
        self.nets = {}  # type: dict[int, Any]

    def versions(self) -> "dict[str, str]":
        """What runs here."""
        return {"opencv": cv2.__version__, "numpy": numpy.__version__, "python": platform.python_version()}

    def load(self, path: str, inputs: "list[str]", outputs: "list[str]") -> "dict[str, Any]":
        """Read a model file; OpenCV itself tells neither types nor shapes of a net's ports."""
        net = cv2.dnn.readNetFromONNX(path)
        number = len(self.nets)
        self.nets[number] = net, outputs
        return {
            "model": number,
            "inputs": [{"name": name, "type": "", "shape": []} for name in inputs],
            "outputs": [{"name": name, "type": "", "shape": []} for name in net.getUnconnectedOutLayersNames()],
        }

    def run(self, model: int, feeds: "dict[str, Any]") -> "dict[str, Any]":
        """Outputs by name."""
        net, outputs = self.nets[model]
        for name, value in feeds.items():
            net.setInput(value, name)
        results = net.forward(_asked(net, outputs))
        return {"outputs": dict(zip(outputs, results))}  # noqa: B905 - Python 3.6

    def unload(self, model: int) -> None:
        """Let go of a net."""
        self.nets[model] = None

    def reason(self, error: Exception) -> str:
        """What it says of the node, without where in its source."""
        text = re.sub(r"OpenCV\([^)]*\) \S+ error: \(-\d+:[^)]*\) ", "", " ".join(str(error).split()))
        return re.sub(r"^in function '\w+' > ", "", text).rstrip("> ") or type(error).__name__


def _asked(net: "Any", outputs: "list[str]") -> "list[str]":
    """The names by which OpenCV gives the outputs: those of the layers, where there is but one output."""
    layers = list(net.getUnconnectedOutLayersNames())
    return layers if len(outputs) == 1 and len(layers) == 1 else outputs
