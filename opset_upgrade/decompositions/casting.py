"""Ways around types that an older version does not take: another type that holds every value exactly."""

from collections.abc import Iterable, Mapping

from onnx import NodeProto, TensorProto

from zoosmith.onnx_model.ports import element_type_name
from zoosmith.opset_upgrade.decompositions.function_bodies import inline_body
from zoosmith.opset_upgrade.nodes import input_at
from zoosmith.opset_upgrade.registry import type_fallback
from zoosmith.opset_upgrade.schemas import formals, parameter_types, schema_at
from zoosmith.opset_upgrade.writer import Writer

_BYTES = (TensorProto.INT8, TensorProto.UINT8)
_SHORTS = (TensorProto.INT16, TensorProto.UINT16)
_HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)

Holders = Mapping[int, Iterable[int]]
"""Element type -> types that may stand in for it, the best first."""

# Half precision is computed in single and rounded once, as kernels do.
_WIDER_FLOATS: Holders = dict.fromkeys(_HALVES, (TensorProto.FLOAT,))
_EXACT: Holders = {
    **_WIDER_FLOATS,
    TensorProto.BOOL: (TensorProto.UINT8, TensorProto.INT32, TensorProto.FLOAT),
    **dict.fromkeys(_BYTES + _SHORTS, (TensorProto.INT32, TensorProto.FLOAT)),
    **dict.fromkeys((TensorProto.INT32, TensorProto.UINT32), (TensorProto.INT64, TensorProto.DOUBLE)),
}
# Overflow wraps around when the sum or product is cast back.
_WRAPPING: Holders = {**_WIDER_FLOATS, **dict.fromkeys(_BYTES + _SHORTS, (TensorProto.INT64,))}


@type_fallback(
    "Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Conv ConvTranspose Cos Cosh CumSum DeformConv Det"
    " Einsum Elu GRU GlobalAveragePool GlobalLpPool GreaterOrEqual GridSample HardSigmoid HardSwish"
    " InstanceNormalization IsInf LSTM LeakyRelu LessOrEqual LpNormalization LpPool MaxRoiPool Mish"
    " NegativeLogLikelihoodLoss PRelu RNN Range RoiAlign Round Selu Sin Sinh Softplus Softsign Tan ThresholdedRelu"
)
def _in_single_precision(node: NodeProto, g: Writer) -> None:
    cast_through(node, g, _WIDER_FLOATS)


@type_fallback(
    "Abs Compress Concat GlobalMaxPool MaxPool MaxUnpool Neg OneHot Pad ReduceMax ReduceMin Reshape ReverseSequence"
    " Split TopK Unique Where"
)
def _exactly(node: NodeProto, g: Writer) -> None:
    cast_through(node, g, _EXACT)


@type_fallback("Add Sub Mul Div")
def _arithmetic(node: NodeProto, g: Writer) -> None:
    cast_through(node, g, _WRAPPING)


@type_fallback("Max Min")
def _extreme(node: NodeProto, g: Writer) -> None:
    if g.element_type(node.input[0]) not in (TensorProto.INT64, TensorProto.UINT64):
        cast_through(node, g, _EXACT)
        return
    found = node.input[0]
    for index, name in enumerate(node.input[1:], 2):
        better = g.op("Greater" if node.op_type == "Max" else "Less", found, name)
        found = g.op("Where", better, found, name, outputs=node.output if index == len(node.input) else 1)
    if len(node.input) == 1:
        g.op("Identity", found, outputs=node.output)


@type_fallback("Relu")
def _relu(node: NodeProto, g: Writer) -> None:
    if g.element_type(node.input[0]) in _HALVES:
        cast_through(node, g, _WIDER_FLOATS)
    else:
        g.op("Max", node.input[0], g.scalar_like(node.input[0], 0), outputs=node.output)


@type_fallback("Clip")
def _clip(node: NodeProto, g: Writer) -> None:
    data, low, high = node.input[0], input_at(node, 1), input_at(node, 2)
    if g.element_type(data) in _HALVES:
        cast_through(node, g, _WIDER_FLOATS)
        return
    if low:
        data = g.op("Max", data, low, outputs=1 if high else node.output, opset=12)
    if high:
        g.op("Min", data, high, outputs=node.output, opset=12)
    elif not low:
        g.op("Identity", data, outputs=node.output)


@type_fallback("Celu")
def _celu(node: NodeProto, g: Writer) -> None:
    inline_body(node, g)


@type_fallback("Flatten")
def _flatten(node: NodeProto, g: Writer) -> None:
    axis = g.attribute("axis")
    shape = g.static_shape(node.input[0])
    rows = 1
    for size in shape[: axis if axis >= 0 else axis + len(shape)]:
        rows *= size
    g.op("Reshape", node.input[0], g.constant([rows, -1]), outputs=node.output)


def cast_through(node: NodeProto, g: Writer, holders: Holders) -> None:
    """Emit the node with inputs and outputs of other types where the version below does not take theirs."""
    below, above = schema_at(node.op_type, g.opset), schema_at(node.op_type, g.opset + 1)
    if below is None or above is None:
        g.refuse("the operator does not exist before")
    replaced: dict[str, int] = {}
    seen: dict[str, int] = {}
    for formal, name in formals(below.inputs, node.input):
        kind, allowed = g.element_type(name), parameter_types(node.op_type, g.opset, formal)
        mixed = seen.setdefault(formal.type_str, kind) != kind
        if mixed and {kind, seen[formal.type_str]} <= {TensorProto.FLOAT, *_HALVES}:
            replaced[formal.type_str] = TensorProto.FLOAT
        elif mixed:
            g.refuse(f"{name!r} is {_type_string(kind)}, and its other inputs are not, which it does not take there")
        elif _type_string(kind) not in allowed and formal.type_str not in replaced:
            fitting = [each for each in holders.get(kind, ()) if _type_string(each) in allowed]
            if not fitting:
                g.refuse(f"{name!r} is {_type_string(kind)}, which it does not take there")
            replaced[formal.type_str] = fitting[0]
    cast_opset = max(g.opset + 1, 6)  # before 6 its attribute is a string
    made = NodeProto()
    made.CopyFrom(node)
    for index, name in enumerate(node.input):
        formal = below.inputs[min(index, len(below.inputs) - 1)]
        if name and formal.type_str in replaced:
            made.input[index] = g.op("Cast", name, to=replaced[formal.type_str], opset=cast_opset)
    back: list[tuple[str, str, int]] = []
    for index, name in enumerate(node.output):
        formal = below.outputs[min(index, len(below.outputs) - 1)]
        if name and formal.type_str in replaced:
            made.output[index] = g.fresh(node.op_type)
            g.scope.state_type(made.output[index], g.type(name), replaced[formal.type_str])
            back.append((made.output[index], name, g.element_type(name)))
        elif name and g.type_string(name) not in parameter_types(node.op_type, g.opset, formal):
            g.refuse(f"{name!r} is {g.type_string(name)}, which it does not make there")
    if not replaced:
        g.refuse("its types are not taken there")
    g.emit(made, g.opset + 1)
    for wide, name, kind in back:
        g.op("Cast", wide, outputs=[name], to=kind, opset=cast_opset)


def _type_string(element_type: int) -> str:
    return f"tensor({element_type_name(element_type)})"
