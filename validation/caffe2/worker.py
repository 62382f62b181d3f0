"""Runs inside the Caffe2 environment: answers requests on stdin until it closes.

Needs Python 3.9, numpy and Caffe2 only, and nothing of this project; the other side imports the framing from here. A
frame is two little-endian 64-bit lengths, a JSON header and a body; the header's `parts` are the lengths of the byte
strings that make up the body, arrays among them in numpy's file format.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import time
from typing import Any, BinaryIO

import numpy as np

_LENGTHS = struct.Struct("<QQ")


def write_frame(stream: BinaryIO, header: dict[str, Any], parts: list[bytes]) -> None:
    """Send `header` and `parts`."""
    text = json.dumps(dict(header, parts=[len(part) for part in parts])).encode()
    stream.write(_LENGTHS.pack(len(text), sum(len(part) for part in parts)))
    stream.write(text)
    for part in parts:
        stream.write(part)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]] | None:
    """Return the next header and its parts; None where the stream ends."""
    start = stream.read(_LENGTHS.size)
    if len(start) < _LENGTHS.size:
        return None
    header_size, body_size = _LENGTHS.unpack(start)
    text, body = stream.read(header_size), stream.read(body_size)
    if len(text) < header_size or len(body) < body_size:
        return None
    header = json.loads(text)
    parts, offset = [], 0
    for size in header["parts"]:
        parts.append(body[offset : offset + size])
        offset += size
    return header, parts


def pack_array(array: np.ndarray) -> bytes:
    """Return `array` in numpy's file format; Python strings and bytes become fixed-width ones."""
    if array.dtype.kind == "O":
        texts = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel()]
        array = np.array(texts, dtype="S").reshape(array.shape)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def unpack_array(content: bytes) -> np.ndarray:
    """Return the array in `content`. Raises ValueError where it holds Python objects."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.kind == "S":
        return array.astype(object)
    return array


class _Server:
    """The loaded nets and models, by the number that their load was answered with."""

    def __init__(self) -> None:
        self.loaded: dict[int, Any] = {}
        self.count = 0

    def load_net(self, header: dict[str, Any], parts: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        return self._keep(_Net(f"zoosmith-{self.count}", parts[0], parts[1]))

    def load_onnx(self, header: dict[str, Any], parts: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        return self._keep(_Model(parts[0]))

    def run(self, header: dict[str, Any], parts: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        inputs = {name: unpack_array(part) for name, part in zip(header["inputs"], parts)}  # noqa: B905 - Python 3.9
        outputs = self.loaded[header["id"]].run(inputs, header["outputs"])
        return {"outputs": list(outputs)}, [pack_array(np.asarray(value)) for value in outputs.values()]

    def unload(self, header: dict[str, Any], parts: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        self.loaded.pop(header["id"]).close()
        return {}, []

    def export(self, header: dict[str, Any], parts: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        return {"timings": [_export(**header["arguments"]) for _ in range(header["repeats"])]}, []

    def _keep(self, thing: Any) -> tuple[dict[str, Any], list[bytes]]:
        self.count += 1
        self.loaded[self.count] = thing
        return {"id": self.count}, []


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
            self.workspace.FeedBlob(name, value)
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


def _peak_memory() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def main() -> None:
    """Answer requests until stdin closes."""
    # Caffe2 prints on both streams: the protocol gets descriptors of its own, and what is printed goes to stderr
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    server = _Server()
    while True:
        frame = read_frame(requests)
        if frame is None:
            return
        header, parts = frame
        try:
            reply, results = getattr(server, header["do"])(header, parts)
        except Exception as error:  # whatever Caffe2 raises is the answer
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            # Caffe2 appends the whole operator as text
            reason = lines[0].split(" (Error from operator")[0] if lines else type(error).__name__
            reply, results = {"error": reason}, []
        write_frame(replies, dict(reply, peak_memory=_peak_memory()), results)


if __name__ == "__main__":
    main()
