"""OpenVINO from 2022.1 on, on the processor, in single precision."""

import platform
from typing import Any

import numpy

try:
    import openvino.runtime as ov  # 2022 to 2025
except ImportError:
    import openvino as ov


class Backend:
    """Compiled models by number."""

    def __init__(self) -> None:
        self.core = ov.Core()
        self.models = {}  # type: dict[int, Any]

    def versions(self) -> "dict[str, str]":
        """What runs here."""
        return {
            "openvino": ov.get_version().split("-")[0],
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        }

    def load(self, path: str, inputs: "list[str]", outputs: "list[str]") -> "dict[str, Any]":
        """Read and compile a model file."""
        model = self.core.read_model(path)
        try:
            # processors with bfloat16 or float16 would use it unasked
            compiled = self.core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except Exception as error:
            if "INFERENCE_PRECISION_HINT" not in str(error):
                raise
            compiled = self.core.compile_model(model, "CPU")  # releases before the hint
        number = len(self.models)
        self.models[number] = compiled, outputs
        return {"model": number, "inputs": _ports(compiled.inputs), "outputs": _ports(compiled.outputs)}

    def run(self, model: int, feeds: "dict[str, Any]") -> "dict[str, Any]":
        """Outputs by name."""
        compiled, outputs = self.models[model]
        by_name = {name: port for port in compiled.inputs for name in port.get_names()}
        # an input that nothing reads may be gone
        given = {by_name[name]: value for name, value in feeds.items() if name in by_name}
        results = compiled.create_infer_request().infer(given)
        found = {name: results[port] for port in compiled.outputs for name in port.get_names()}
        if not all(name in found for name in outputs):
            # names of an output that is also another value may be lost; the order is the model's
            found = dict(zip(outputs, (results[port] for port in compiled.outputs)))  # noqa: B905 - Python 3.6
        return {"outputs": {name: numpy.asarray(found[name]) for name in outputs}}

    def unload(self, model: int) -> None:
        """Let go of a model."""
        self.models[model] = None

    def reason(self, error: Exception) -> str:
        """What it says last, without where in its source."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        failed = [line for line in lines if line.startswith("-- Conversion is failed for")]
        telling = [line for line in lines if not line.startswith(("Exception from", "Check '", "Summary:"))]
        return (failed or telling or lines or [type(error).__name__])[-1].lstrip("- ")


def _ports(ports: "list[Any]") -> "list[dict[str, Any]]":
    return [
        {
            "name": sorted(port.get_names())[0] if port.get_names() else "",
            "type": port.get_element_type().get_type_name(),
            "shape": str(port.get_partial_shape()),
        }
        for port in ports
    ]
