"""Parameters of an init net: its fill operators evaluated, straight from the file's bytes."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from google.protobuf.message import DecodeError

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import FILLS, Content, Tensor
from zoosmith.convert.init_net_wire import ARG_FLOATS, ARG_NAME, FLOAT_RECORD, FLOAT_TAG, NET_OP, OP_ARG
from zoosmith.convert.nets import NetSource, check_text, is_text, open_buffer, read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef
from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.reading import reading
from zoosmith.onnx_model.wire_format import BYTES, fields

# known fields of a NetDef, and whether each is a string or a message
_NET_FIELDS = {
    number: known.cpp_type >= known.CPPTYPE_STRING for number, known in NetDef.DESCRIPTOR.fields_by_number.items()
}
_RANDOM_FILLS = {
    "GaussianFill",
    "MSRAFill",
    "UniformFill",
    "UniformIntFill",
    "UniqueUniformFill",
    "XavierFill",
}
# below this a message is cheaper to parse than to walk
_SMALL = 512

FloatArguments: TypeAlias = dict[str, Content]
_NO_FLOATS: FloatArguments = {}
# an operator without its long runs of floats, these, and its bytes
Scanned: TypeAlias = tuple[OperatorDef, FloatArguments, memoryview]


@dataclass
class InitNet:
    """What an init net holds: parameters by blob name, and the operators that are no fills, in order."""

    parameters: dict[str, Tensor] = field(default_factory=dict)
    rest: list[OperatorDef] = field(default_factory=list)


def read_init_net(source: "NetSource | InitNet") -> InitNet:
    """Read an init net that may hold more than constant fills (a Copy, an int8 fill).

    Args:
        source: the net, as `read_net` takes it; one that was read already is returned as it is.

    Returns:
        The parameters that fills make, and the other operators as they are, in order.

    Raises:
        ConvertError: the file is no init net, or the values of a fill do not fit its shape.
    """
    if isinstance(source, InitNet):
        return source
    origin = origin_of(source)
    with reading(origin, "a Caffe2 init net", ConvertError):
        try:
            return _init_net(_operators(source))
        except (ConvertError, ModelError) as error:
            raise ConvertError(f"expected a Caffe2 init net: {error}") from error


def _init_net(operators: Iterable[Scanned]) -> InitNet:
    net = InitNet()
    # a fill of a blob that an operator before it knows has its place among the operators
    touched: set[str] = set()
    for op, floats, whole in operators:
        fill = FILLS.get(op.type)
        outputs = op.output[:]
        if fill is None or op.input or not touched.isdisjoint(outputs):
            check_text([op])
            touched.update(op.input, outputs)
            net.rest.append(_parse(whole) if floats else op)
            continue
        if len(outputs) != 1:
            raise ConvertError(f"{op.type} has {len(outputs)} outputs, expected 1")
        name = outputs[0]
        if not isinstance(name, str):
            raise ConvertError(f"{name!r}, the name of a blob, is no text")
        net.parameters[name] = fill(op, floats)
    return net


def refuse_absent_weights(ops: Iterable[OperatorDef], origin: str) -> None:
    """Refuse operators in place of trained parameters: those that draw them at random, or load them from elsewhere.

    Args:
        ops: operators of an init net that the net needs.
        origin: what the message calls the init net.

    Raises:
        ConvertError: there is such an operator.
    """
    drawn: list[tuple[str, str]] = []
    for op in ops:
        if op.type in _RANDOM_FILLS:
            drawn += [(op.type, blob) for blob in op.output]
        elif op.type == "Load":
            named = [argument.s.decode(errors="replace") for argument in op.arg if argument.name == "db"]
            where = repr(named[0]) if named else "a database"
            raise ConvertError(
                f"{origin}: it loads {', '.join(map(repr, op.output[:3])) or 'blobs'} from {where}; give that "
                "database, a minidb, in its place"
            )
    if drawn:
        kinds = ", ".join(dict.fromkeys(kind for kind, _ in drawn))
        more = f" and {len(drawn) - 1} more" if len(drawn) > 1 else ""
        raise ConvertError(
            f"{origin}: it draws {drawn[0][1]!r}{more} at random ({kinds}): an init net to start a training with, not "
            "trained weights; give the file that was saved after the training (an init net of GivenTensorFill, a "
            "minidb or TensorProtos file)"
        )


def origin_of(source: "NetSource | InitNet") -> str:
    """What messages call an init net: its path, where it has one.

    Args:
        source: the init net.
    """
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the given init net"


def _operators(source: NetSource) -> Iterator[Scanned]:
    if isinstance(source, NetDef):
        content = memoryview(source.SerializeToString())
    else:
        content = memoryview(source) if isinstance(source, bytes) else open_buffer(source)
        if is_text(content):
            content = memoryview(read_net(source).SerializeToString())
        elif not content:
            raise ConvertError("the file is empty")
    yield from _scan(content)


def _scan(buffer: memoryview) -> Iterator[Scanned]:
    # a run of small operators, which are parsed together
    first = last = 0
    for number, kind, tag, start, end in fields(buffer, 0, len(buffer)):
        if number in _NET_FIELDS and (kind == BYTES) != _NET_FIELDS[number]:
            raise ConvertError(f"its field {number} is not a NetDef's; is it another kind of file?")
        if number != NET_OP:
            continue
        small = end - start <= _SMALL
        if not small or tag != last:
            yield from _read_run(buffer[first:last])
            first = tag if small else end
        last = end
        if not small:
            yield _read_operator(buffer, start, end)
    yield from _read_run(buffer[first:last])


def _read_run(content: memoryview) -> Iterator[Scanned]:
    """Parse the field `op` of a net, as often as it stands there."""
    if content:
        try:
            ops = NetDef.FromString(bytes(content)).op[:]
        except DecodeError as error:
            raise ConvertError("an operator in it is damaged") from error
        for op in ops:
            yield op, _NO_FLOATS, content


def _read_operator(buffer: memoryview, start: int, end: int) -> Scanned:
    """Parse an operator whose long runs of floats are taken out first, by argument."""
    floats: FloatArguments = {}
    small = []
    for number, kind, tag, first, last in fields(buffer, start, end):
        if number == OP_ARG and kind == BYTES and last - first > _SMALL:
            name, content = _read_floats(buffer, first, last)
            if len(content):
                floats[name] = content
                continue
        small.append(buffer[tag:last])
    return _parse(b"".join(small)), floats, buffer[start:end]


def _parse(content: bytes | memoryview) -> OperatorDef:
    try:
        op = OperatorDef.FromString(bytes(content))
    except DecodeError as error:
        raise ConvertError("an operator in it is damaged") from error
    return op


def _read_floats(buffer: memoryview, start: int, end: int) -> tuple[str, Content]:
    """Read name and floats of an argument, packed or not; no floats mean that the argument holds something else."""
    name = ""
    chunks: list[Content] = []
    position = start
    while position < end:
        if buffer[position] == FLOAT_TAG:
            records = np.frombuffer(buffer[position:end], FLOAT_RECORD, (end - position) // FLOAT_RECORD.itemsize)
            same = records["tag"] == FLOAT_TAG
            run = len(records) if same.all() else int(same.argmin())
            if run == 0:
                raise ConvertError(f"the float at byte {position} is cut off")
            chunks.append(records["value"][:run])
            position += run * FLOAT_RECORD.itemsize
            continue
        number, kind, tag, first, position = next(fields(buffer, position, end))
        if number == ARG_NAME and kind == BYTES:
            name = bytes(buffer[first:position]).decode(errors="replace")
        elif number == ARG_FLOATS and kind == BYTES:
            if (position - first) % 4:
                raise ConvertError(f"the packed floats at byte {tag} are no multiple of 4 bytes")
            chunks.append(np.frombuffer(buffer[first:position], "<f4"))
    if len(chunks) == 1:
        return name, chunks[0]
    return name, b"".join(chunk if isinstance(chunk, bytes) else chunk.tobytes() for chunk in chunks)
