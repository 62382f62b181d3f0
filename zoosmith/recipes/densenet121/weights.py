"""DenseNet-121's parameters with their init net: made from a seed, or read out of an init net or a published row."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import numpy_helper

from zoosmith.convert.parameters import read_parameters
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_model
from zoosmith.recipes.densenet121.net import parameter_shapes
from zoosmith.recipes.densenet121.synthetic import synthetic_parameters

PUBLISHED_INIT_NET = "a3650579bc883a1755750994507c48d84d0f75d193e304eb8caf5031acb5f028"

# an unpacked float on the wire: field 5 of Argument, four bytes; then the value
_FLOAT_RECORD = np.dtype([("tag", "u1"), ("value", "<f4")])
_FLOAT_TAG = 5 << 3 | 5
_OPERATOR_TAG, _ARGUMENT_TAG = 2 << 3 | 2, 5 << 3 | 2


@dataclass(frozen=True)
class Weights:
    """Parameters as an init net.

    `label` says in tables what they are; `init_net` is a file's content, laid out as the published one: equal
    parameters give equal bytes, wherever they were read from.
    """

    label: str
    init_net: bytes
    sha256: str

    @property
    def published(self) -> bool:
        """Whether they are the published weights, by SHA-256."""
        return self.sha256 == PUBLISHED_INIT_NET


def synthetic_weights(seed: int) -> Weights:
    """Make parameters from `seed` (0 .. 2**32 - 1), the same on every machine."""
    init_net = write_init_net(synthetic_parameters(seed))
    return Weights(f"synthetic, seed {seed}", init_net, hashlib.sha256(init_net).hexdigest())


def read_weights(path: Path) -> Weights:
    """Read the parameters of an init net (`.pb`, `.pbtxt`) or of a DenseNet-121 row (`.onnx`).

    Raises ZoosmithError, naming the file and the parameters, where they are not all there, in float32, in shape and
    finite; ConvertError where the net cannot be read.
    """
    found = _onnx_parameters(path) if path.suffix == ".onnx" else _net_parameters(path)
    init_net = write_init_net(_checked(found, path))
    sha256 = hashlib.sha256(init_net).hexdigest()
    label = "published" if sha256 == PUBLISHED_INIT_NET else f"given, init net {sha256[:12]}"
    return Weights(label, init_net, sha256)


def write_init_net(parameters: Mapping[str, np.ndarray]) -> bytes:
    """Serialise parameters (float32) as the published init net is: unpacked floats, empty operator names."""
    parts: list[bytes | memoryview] = [NetDef(name="densenet121_init").SerializeToString()]
    for name, array in parameters.items():
        records = np.empty(array.size, _FLOAT_RECORD)
        records["tag"] = _FLOAT_TAG
        records["value"] = array.ravel()
        head = OperatorDef(output=[name], name="", type="GivenTensorFill").SerializeToString()
        tail = OperatorDef(arg=[Argument(name="shape", ints=array.shape)]).SerializeToString()
        values = Argument(name="values").SerializeToString()
        argument = _tagged(_ARGUMENT_TAG, len(values) + records.nbytes)
        size = len(head) + len(argument) + len(values) + records.nbytes + len(tail)
        parts += [_tagged(_OPERATOR_TAG, size), head, argument, values, records.data, tail]
    return b"".join(parts)


def _tagged(tag: int, length: int) -> bytes:
    """Return a tag and a length as protobuf's varints; the tag fits one byte."""
    content = bytearray([tag])
    while length >= 0x80:
        content.append(length & 0x7F | 0x80)
        length >>= 7
    content.append(length)
    return bytes(content)


def _onnx_parameters(path: Path) -> dict[str, np.ndarray]:
    # a row names a parameter by its blob and the blob's first version, 0
    return {
        tensor.name.removesuffix("_0"): numpy_helper.to_array(tensor) for tensor in load_model(path).graph.initializer
    }


def _net_parameters(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_parameters(path)
    except OSError as error:
        raise ZoosmithError(f"{path}: cannot be read: {error.strerror or error}") from error


def _checked(found: Mapping[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    shapes = parameter_shapes()
    parameters = {name: found[name] for name in shapes if name in found}
    problems = {
        "missing": [name for name in shapes if name not in found],
        "misshapen": [
            f"{name} is {list(values.shape)}, not {list(shapes[name])}"
            for name, values in parameters.items()
            if values.shape != shapes[name]
        ],
        "not float32": [name for name, values in parameters.items() if values.dtype != np.float32],
        "not finite": [name for name, values in parameters.items() if not np.isfinite(values).all()],
    }
    listed = [
        f"{len(names)} {problem} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for problem, names in problems.items()
        if names
    ]
    if listed:
        raise ZoosmithError(
            f"{path}: expected the {len(shapes)} parameters of DenseNet-121, as an init net or a row of opset 3 to 12; "
            + ", ".join(listed)
        )
    return parameters
