"""Types that a version of an operator does not take: cast to another type that holds every value exactly."""

from collections.abc import Iterable, Mapping, Sequence

from onnx import NodeProto, TensorProto
from onnx.defs import OpSchema

from zoosmith.onnx_model.ports import element_type_name
from zoosmith.opset_upgrade.schemas import formals, parameter_types, schema_at
from zoosmith.opset_upgrade.writer import Writer

_BYTES = (TensorProto.INT8, TensorProto.UINT8)


_SHORTS = (TensorProto.INT16, TensorProto.UINT16)


HALF_FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


Holders = Mapping[int, Iterable[int]]
"""Element type -> types that may stand in for it, the best first."""


# Half precision is computed in single and rounded once, as kernels do.
SINGLE: Holders = dict.fromkeys(HALF_FLOATS, (TensorProto.FLOAT,))


EXACT: Holders = {
    **SINGLE,
    TensorProto.BOOL: (TensorProto.UINT8, TensorProto.INT32, TensorProto.FLOAT),
    **dict.fromkeys(_BYTES + _SHORTS, (TensorProto.INT32, TensorProto.FLOAT)),
    **dict.fromkeys((TensorProto.INT32, TensorProto.UINT32), (TensorProto.INT64, TensorProto.DOUBLE)),
}


_LARGE: Holders = dict.fromkeys((TensorProto.INT64, TensorProto.UINT64), (TensorProto.DOUBLE,))
"""Not exact: to be admitted."""


# Overflow wraps around when the sum or product is cast back.
_WRAPPING: Holders = {**SINGLE, **dict.fromkeys(_BYTES + _SHORTS, (TensorProto.INT64,))}


_IN_DOUBLE: Holders = {**dict.fromkeys((TensorProto.INT32, TensorProto.UINT32), (TensorProto.DOUBLE,)), **_LARGE}


_ROUNDED = "integers are computed in double precision: exact while all results are below 2^53"


def cast_to_single(node: NodeProto, g: Writer) -> None:
    """Compute half precision in single precision."""
    cast_through(node, g, SINGLE)


def cast_to_exact(node: NodeProto, g: Writer) -> None:
    """Compute in a type that holds every value of the node's type exactly, or 64-bit integers in double precision."""
    cast_through(node, g, {**EXACT, **_LARGE})


def cast_to_wrapping(node: NodeProto, g: Writer) -> None:
    """Compute in 64-bit integers, where overflow wraps around on the cast back; half precision in single.

    Before 6 there are no sums and products of integers: double precision holds every one up to 2^53.
    """
    if g.element_type(node.input[0]) in _IN_DOUBLE:
        g.admit("approximate", _ROUNDED)
    cast_through(node, g, {**_WRAPPING, **_IN_DOUBLE})


def multiply_integers_in_double(node: NodeProto, g: Writer) -> None:
    """Multiply integers in double precision, which holds every one up to 2^53; half precision in single."""
    if g.element_type(node.input[0]) in _IN_DOUBLE:
        g.admit("approximate", _ROUNDED)
    cast_through(node, g, {**SINGLE, **_IN_DOUBLE})


def integers_through_double(node: NodeProto, g: Writer) -> None:
    """The newer version takes floating point only; integers were computed in it all the same."""
    kind = g.element_type(node.input[0])
    if kind in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16):
        return
    node.input[0] = g.op("Cast", node.input[0], to=TensorProto.DOUBLE)
    result = node.output[0]
    node.output[0] = g.fresh("float")
    g.keep()
    g.op("Cast", node.output[0], to=kind, output=result)


def hold_in_floats(g: Writer, kind: int) -> int:
    """The floating point type that holds the values of an element type; refuses where none does."""
    if kind in (TensorProto.BOOL, *_BYTES, *_SHORTS, *HALF_FLOATS):
        return TensorProto.FLOAT
    if kind not in _IN_DOUBLE:
        g.refuse(f"tensor({element_type_name(kind)}) is not taken there")
    if kind in _LARGE:
        g.admit("approximate", _ROUNDED)
    return TensorProto.DOUBLE


def cast_through(node: NodeProto, g: Writer, holders: Holders) -> None:
    """Emit the node with inputs and outputs of other types where the version below does not take theirs."""
    below, above = schema_at(node.op_type, g.opset), schema_at(node.op_type, g.opset + 1)
    if below is None or above is None:
        g.refuse("the operator does not exist before")
    replaced = _replaced_types(node, g, below, holders)
    cast_opset = max(g.opset + 1, 6)  # before 6 its attribute is a string
    made = NodeProto()
    made.CopyFrom(node)
    for index, name in enumerate(node.input):
        wide = replaced.get(_variable(below.inputs, index))
        if name and wide is not None:
            made.input[index] = g.op("Cast", name, to=wide, opset=cast_opset)
    back: list[tuple[str, str, int]] = []
    for index, name in enumerate(node.output):
        wide = replaced.get(_variable(below.outputs, index))
        if name and wide is not None:
            made.output[index] = g.fresh(node.op_type)
            g.state_type(made.output[index], g.type(name), wide)
            back.append((made.output[index], name, g.element_type(name)))
        elif name and g.type_string(name) not in _allowed(node, g.opset, below.outputs, index):
            g.refuse(f"{name!r} is {g.type_string(name)}, which it does not make there")
    if not replaced:
        g.refuse("its types are not taken there")
    g.emit(made, g.opset + 1)
    for wide_name, name, kind in back:
        g.op("Cast", wide_name, output=name, to=kind, opset=cast_opset)


def _replaced_types(node: NodeProto, g: Writer, below: OpSchema, holders: Holders) -> dict[str, int]:
    """Element types that replace those of type parameters of the schema below, by the parameter's name."""
    replaced: dict[str, int] = {}
    seen: dict[str, int] = {}
    for formal, name in formals(below.inputs, node.input):
        kind, allowed = g.element_type(name), parameter_types(node.op_type, g.opset, formal)
        mixed = seen.setdefault(formal.type_str, kind) != kind
        if mixed and {kind, seen[formal.type_str]} <= {TensorProto.FLOAT, *HALF_FLOATS}:
            replaced[formal.type_str] = TensorProto.FLOAT
        elif mixed:
            g.refuse(f"{name!r} is {_type_string(kind)}, and its other inputs are not, which it does not take there")
        elif _type_string(kind) not in allowed and formal.type_str not in replaced:
            fitting = [each for each in holders.get(kind, ()) if _type_string(each) in allowed]
            if not fitting:
                g.refuse(f"{name!r} is {_type_string(kind)}, which it does not take there")
            replaced[formal.type_str] = fitting[0]
            if kind in _LARGE:
                g.admit("approximate", _ROUNDED)
    return replaced


def _variable(parameters: Sequence[OpSchema.FormalParameter], index: int) -> str:
    """The type parameter (or type) of the input or output at an index; the last one may be variadic."""
    return parameters[min(index, len(parameters) - 1)].type_str


def _allowed(node: NodeProto, opset: int, parameters: Sequence[OpSchema.FormalParameter], index: int) -> frozenset[str]:
    return parameter_types(node.op_type, opset, parameters[min(index, len(parameters) - 1)])


def _type_string(element_type: int) -> str:
    return f"tensor({element_type_name(element_type)})"
