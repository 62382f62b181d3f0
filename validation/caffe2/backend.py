"""The real Caffe2 as a backend of `runtimes/worker.py`: needs Python 3.8, numpy and Caffe2, nothing of this project."""

from __future__ import annotations

import time
from typing import Any

import numpy as np


class Backend:
    """The loaded nets and models, by the number that their load was answered with."""

    def __init__(self) -> None:
        self.loaded: dict[int, Any] = {}

    def load_net(self, predict: bytes, init: bytes) -> dict[str, Any]:
        """Load a net and its parameters.

        Args:
            predict: the net, serialized.
            init: the net that fills its parameters, likewise.

        Returns:
            `model`: the number by which `run` and `unload` know it.
        """
        return self._keep(_Net(f"zoosmith-{len(self.loaded)}", predict, init))

    def load_onnx(self, model: bytes) -> dict[str, Any]:
        """Load an ONNX model.

        Args:
            model: the content of its file.

        Returns:
            `model`: the number by which `run` and `unload` know it.
        """
        return self._keep(_Model(model))

    def run(self, model: int, feeds: dict[str, np.ndarray], outputs: list[str] | None) -> dict[str, Any]:
        """Run what was loaded.

        Args:
            model: its number.
            feeds: arrays by the names of inputs.
            outputs: names of the values wanted; None for all outputs.

        Returns:
            `outputs`: arrays by name.
        """
        return {"outputs": {k: np.asarray(v) for k, v in self.loaded[model].run(feeds, outputs).items()}}

    def unload(self, model: int) -> None:
        """Free what was loaded.

        Args:
            model: its number.
        """
        self.loaded[model].close()
        self.loaded[model] = None

    def export(self, arguments: dict[str, Any], repeats: int) -> dict[str, Any]:
        """Run Caffe2's exporter.

        Args:
            arguments: those of `_export`.
            repeats: how often.

        Returns:
            `timings`: for each run the seconds of each part.
        """
        return {"timings": [_export(**arguments) for _ in range(repeats)]}

    def reason(self, error: Exception) -> str:
        """The first line of what Caffe2 says of an error.

        Args:
            error: what was raised.
        """
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        # Caffe2 appends the whole operator as text
        return lines[0].split(" (Error from operator")[0] if lines else type(error).__name__

    def _keep(self, thing: Any) -> dict[str, Any]:
        number = len(self.loaded)
        self.loaded[number] = thing
        return {"model": number}


class _Net:
    def __init__(self, name: str, predict: bytes, init: bytes):
        from caffe2.proto import caffe2_pb2  # type: ignore[import-not-found]

        self.name = name
        self.predict, self.init = caffe2_pb2.NetDef(), caffe2_pb2.NetDef()
        self.predict.ParseFromString(predict)
        self.init.ParseFromString(init)
        # the given name may be empty or taken
        self.predict.name = self.predict.name or "predict"
        filled = {blob for op in self.init.op for blob in op.output}
        self.writes_parameters = any(blob in filled for op in self.predict.op for blob in op.output)
        self.created = False
        self._enter()
        self.workspace.RunNetOnce(self.init)

    def _enter(self) -> None:
        from caffe2.python import workspace  # type: ignore[import-not-found]

        self.workspace = workspace
        workspace.SwitchWorkspace(self.name, True)

    def run(self, inputs: dict[str, np.ndarray], outputs: list[str] | None) -> dict[str, Any]:
        self._enter()
        if self.writes_parameters and self.created:
            self.workspace.RunNetOnce(self.init)
        for name, value in inputs.items():
            self.workspace.FeedBlob(name, _encoded(value))
        if not self.created:
            self.workspace.CreateNet(self.predict)
            self.created = True
        self.workspace.RunNet(self.predict.name)
        wanted = self.predict.external_output if outputs is None else outputs
        return {name: self._fetch(name) for name in wanted}

    def _fetch(self, name: str) -> np.ndarray:
        try:
            value = self.workspace.FetchBlob(name)
        except TypeError:
            # Caffe2's answer for a blob that holds an int8 tensor
            value = self.workspace.FetchInt8Blob(name)
        if isinstance(value, np.ndarray):
            return value
        if isinstance(value, bytes):
            return np.array(value, dtype=object)
        if hasattr(value, "data") and hasattr(value, "zero_point"):
            return np.asarray(value.data)
        raise TypeError(f"blob {name!r} holds no tensor: {str(value)[:80]}")

    def close(self) -> None:
        self._enter()
        self.workspace.ResetWorkspace()


class _Model:
    def __init__(self, content: bytes):
        import onnx
        from caffe2.python.onnx import backend  # type: ignore[import-not-found]

        model = onnx.ModelProto()
        model.ParseFromString(content)
        self.names = [value.name for value in model.graph.output]
        self.backend = backend.prepare(model)

    def run(self, inputs: dict[str, np.ndarray], outputs: list[str] | None) -> dict[str, Any]:
        results = self.backend.run(inputs)
        return {name: results[index] for index, name in enumerate(self.names) if outputs is None or name in outputs}

    def close(self) -> None:
        del self.backend


def _encoded(array: np.ndarray) -> np.ndarray:
    """Strings as bytes, which is what Caffe2 takes."""
    if array.dtype.kind != "O":
        return array
    texts = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel()]
    return np.array(texts, dtype="S").reshape(array.shape).astype(object)


def _export(predict: str, init: str, value_info: dict[str, Any], output: str) -> dict[str, float]:
    """Run Caffe2's own exporter from two files to one; the seconds of each part."""
    from caffe2.proto import caffe2_pb2
    from caffe2.python.onnx import frontend

    start = time.perf_counter()
    predict_net, init_net = caffe2_pb2.NetDef(), caffe2_pb2.NetDef()
    for net, path in ((predict_net, predict), (init_net, init)):
        with open(path, "rb") as file:
            net.ParseFromString(file.read())
    parsed = time.perf_counter()
    described = {name: (int(kind), tuple(shape)) for name, (kind, shape) in value_info.items()}
    model = frontend.caffe2_net_to_onnx_model(predict_net, init_net, described)
    converted = time.perf_counter()
    with open(output, "wb") as file:
        file.write(model.SerializeToString())
    written = time.perf_counter()
    return {"parse": parsed - start, "convert": converted - parsed, "write": written - converted}
