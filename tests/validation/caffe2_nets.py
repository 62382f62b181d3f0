"""Caffe2 nets in one line each, for tests."""

from collections.abc import Mapping, Sequence

import numpy as np

from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef


def add_argument(op: OperatorDef, name: str, value: object) -> None:
    argument = op.arg.add(name=name)
    match value:
        case str():
            argument.s = value.encode()
        case int() | np.integer():
            argument.i = int(value)
        case float():
            argument.f = value
        case [float(), *_]:
            argument.floats.extend(value)
        case [str(), *_]:
            argument.strings.extend(text.encode() for text in value)
        case _:
            argument.ints.extend(map(int, value))  # type: ignore[call-overload]


def net_of(*operators: str | tuple, inputs: str = "x", outputs: str = "y") -> NetDef:
    """Operators are `("Add", "a b", "y", {"broadcast": 1})`; blob names are separated by blanks."""
    net = NetDef(name="net", external_input=inputs.split(), external_output=outputs.split())
    for kind, read, written, *arguments in operators:
        op = net.op.add(type=kind, input=read.split(), output=written.split())
        for name, value in (arguments[0] if arguments else {}).items():
            add_argument(op, name, value)
    return net


def single(
    kind: str, arguments: Mapping[str, object], inputs: Sequence[np.ndarray], outputs: int = 1
) -> tuple[NetDef, dict[str, np.ndarray]]:
    """A net of one operator, `i0 i1 …` to `o0 o1 …`, and its inputs."""
    names = [f"i{n}" for n in range(len(inputs))]
    written = " ".join(f"o{n}" for n in range(outputs))
    net = net_of((kind, " ".join(names), written, dict(arguments)), inputs=" ".join(names), outputs=written)
    return net, dict(zip(names, inputs, strict=True))
