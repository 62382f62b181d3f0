"""ONNX Runtime of any release."""

import platform
import re
from typing import Any

import numpy
import onnxruntime


class Backend:
    """Sessions by number."""

    def __init__(self) -> None:
        self.sessions = {}  # type: dict[int, Any]

    def versions(self) -> "dict[str, str]":
        """What runs here."""
        return {
            "onnxruntime": onnxruntime.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        }

    def load(self, path: str, inputs: "list[str]", outputs: "list[str]") -> "dict[str, Any]":
        """Load a model file; the inputs and outputs as ONNX Runtime describes them."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except TypeError:  # releases before the argument
            session = onnxruntime.InferenceSession(path, options)
        number = len(self.sessions)
        self.sessions[number] = session
        return {"model": number, "inputs": _ports(session.get_inputs()), "outputs": _ports(session.get_outputs())}

    def run(self, model: int, feeds: "dict[str, Any]") -> "dict[str, Any]":
        """Outputs by name."""
        session = self.sessions[model]
        names = [value.name for value in session.get_outputs()]
        return {"outputs": dict(zip(names, session.run(names, feeds)))}  # noqa: B905 - Python 3.6

    def unload(self, model: int) -> None:
        """Let go of a session."""
        self.sessions[model] = None

    def reason(self, error: Exception) -> str:
        """Its message, without its number and where in its source it was raised."""
        text = " ".join(str(error).split())
        text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
        where = re.search(r"\S*/onnxruntime/\S+:\d+ ", text)
        if where is None:
            return text or type(error).__name__
        return _after_signature(text[where.end() :]) or text


def _after_signature(text: str) -> str:
    """What follows the signature of a C++ function: its parentheses may hold others."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == ")" and not depth:
            return text[index + 1 :].strip()
    return text


def _ports(values: "list[Any]") -> "list[dict[str, Any]]":
    return [{"name": value.name, "type": value.type, "shape": list(value.shape or [])} for value in values]
