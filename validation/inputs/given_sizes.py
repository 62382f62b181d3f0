"""Sizes of inputs as a user gives them, and how a message asks for them."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from onnx import ModelProto

from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.ports import Dimension, Port
from zoosmith.validation.inputs.random_values import described_inputs
from zoosmith.validation.inputs.sizes import size_name
from zoosmith.validation.inputs.source import InputSource


def sized_ports(structure: ModelProto, inputs: InputSource, name: str) -> list[Port]:
    """The inputs that are no initializers, in the sizes that a user gives; what is not given stays open.

    Args:
        structure: whose inputs they are.
        inputs: the sizes.
        name: of the model, for messages.

    Raises:
        ValidationError: as `described_inputs` does.
    """
    sizes = dict(inputs.dims)
    ports = described_inputs(structure, inputs.shapes, sizes, name)

    def sized(port: Port, axis: int, size: Dimension) -> Dimension:
        return size if isinstance(size, int) else sizes.get(size_name(port, axis), size)

    return [
        port
        if port.shape is None
        else replace(port, shape=tuple(sized(port, axis, size) for axis, size in enumerate(port.shape)))
        for port in ports
    ]


def ways_to_give(ports: Sequence[Port], free: Collection[str]) -> list[str]:
    """How to give sizes that are open, in the words of a caller: `dims` N=2, `shapes` x=N,3,N,N.

    Args:
        ports: the inputs.
        free: what `open_sizes` calls the dimensions.
    """
    named = next((name for name in free if not name.endswith("]")), None)
    ways = [argument("dims", f"{named}=N")] if named else []
    port = next((port for port in ports if any(not isinstance(size, int) for size in port.shape or ())), None)
    if port is not None:
        example = ",".join(str(size) if isinstance(size, int) else "N" for size in port.shape or ())
        ways.append(argument("shapes", f"{port.name}={example}"))
    return ways
