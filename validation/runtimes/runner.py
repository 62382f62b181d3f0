"""Run an ONNX model in a runtime that lives in an environment of its own."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnx

from zoosmith.onnx_model.loading import Model, load_model, model_name
from zoosmith.onnx_model.ports import input_ports, output_ports
from zoosmith.onnx_model.saving import save_model
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.inputs.checks import check_inputs, check_tensor
from zoosmith.validation.running.runner import Runtime
from zoosmith.validation.runtimes.environment import installed_python
from zoosmith.validation.runtimes.pins import PinnedRuntime, runtime_for
from zoosmith.validation.runtimes.process import WorkerProcess

_BACKENDS = {
    "onnxruntime": "onnxruntime_backend.py",
    "openvino": "openvino_backend.py",
    "opencv-python-headless": "opencv_backend.py",
}


def start(runtime: PinnedRuntime, *, timeout: float = 600.0, memory: int | None = None) -> WorkerProcess:
    """Start a process of an installed runtime that runs ONNX models; arguments as for WorkerProcess.

    Raises ValidationError where the runtime is not installed, or runs no ONNX models.
    """
    if runtime.name not in _BACKENDS:
        names = ", ".join(_BACKENDS)
        raise ValidationError(f"{runtime}: runs no ONNX models here; runtimes that do are {names}")
    backend = Path(__file__).parent / "backends" / _BACKENDS[runtime.name]
    return WorkerProcess(installed_python(runtime), backend, str(runtime), timeout=timeout, memory=memory)


class ForeignRunner:
    """Runs a model in a runtime of another environment, in a process of its own. Close it, or use it in a `with`.

    Args:
        runtime: which, as `onnxruntime==1.6.0`; it must be installed.
        model: as for OnnxRuntimeRunner.
        process: a process of that runtime, started by `start`, to use; by default a new one.
        timeout: seconds that loading, and each run, may take.
        memory: bytes of address space that the process may have.

    Attributes:
        name: what messages call the model.
        runtime: what runs it, with the version that it reports.
        inputs: its inputs.
        output_names: its outputs, in order.
        versions: what runs it: the runtime's, numpy's and Python's version.

    Raises:
        ValidationError: the runtime is not installed, or does not load the model.
    """

    def __init__(
        self,
        runtime: str | PinnedRuntime,
        model: Model,
        *,
        process: WorkerProcess | None = None,
        timeout: float = 600.0,
        memory: int | None = None,
    ):
        pinned = runtime_for(runtime) if isinstance(runtime, str) else runtime
        self.name = model_name(model)
        graph = load_model(model, external_data=False).graph
        self.inputs = input_ports(graph)
        self.output_names = [port.name for port in output_ports(graph)]
        self._folder = tempfile.TemporaryDirectory(prefix="zoosmith-")
        self._own = process is None
        self.process = process or start(pinned, timeout=timeout, memory=memory)
        try:
            self.versions: dict[str, str] = self.process.request("versions")
            self.runtime = Runtime(pinned.name, next(iter(self.versions.values())))
            required = [port.name for port in self.inputs if port.required]
            path = _file_of(model, Path(self._folder.name))
            loaded = self.process.request("load", path=path, inputs=required, outputs=self.output_names)
        except ValidationError as error:
            self.close()
            raise ValidationError(f"{self.name}: {error}") from error
        self._model: int = loaded["model"]

    def run(self, inputs: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Return the outputs by name; arguments and errors as of `Runner.run`.

        A `timeout` holds from then on; without one, the process has the time that it was started with.
        """
        if timeout is not None:
            self.process.timeout = timeout
        check_inputs(self.inputs, inputs, self.name)
        feeds = dict(inputs)
        for port in self.inputs:
            if port.kind == "tensor" and port.name in feeds:
                feeds[port.name] = np.asarray(feeds[port.name])
                check_tensor(port, feeds[port.name], self.name)
        try:
            outputs: dict[str, Any] = self.process.request("run", model=self._model, feeds=feeds)["outputs"]
        except ValidationError as error:
            raise ValidationError(f"{self.name}: {error}") from error
        return outputs

    def close(self) -> None:
        """Let go of the model, and end the process if it was started for it."""
        if self._own:
            self.process.close()
        elif not self.process.ended and hasattr(self, "_model"):
            self.process.request("unload", model=self._model)
        self._folder.cleanup()

    def __enter__(self) -> "ForeignRunner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _file_of(model: Model, folder: Path) -> str:
    """A file from which another process loads the model: its own, or one in `folder`."""
    if isinstance(model, (str, os.PathLike)):
        return str(Path(model).resolve())
    path = folder / "model.onnx"
    if isinstance(model, onnx.ModelProto):
        save_model(model, path)
    else:
        path.write_bytes(model)
    return str(path)
