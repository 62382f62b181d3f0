"""What a float model takes, node by node: by the table of costs, and a short one of operators without integer form."""

from collections.abc import Iterable, Mapping
from math import prod

import onnx
import onnx_ir as ir

from zoosmith.onnx_model.ports import required_inputs
from zoosmith.optimize.values import attribute, constant, input_constant, is_standard, name_of, sizes
from zoosmith.quantize.plan.costs import COSTS, Cost, step_cost
from zoosmith.quantize.plan.partition import Step

Shape = tuple[int, ...]

# of ONNX Runtime 1.32, one thread, AVX-512, as its profiler gave them in BERT-base, ViT-S and PP-OCR shapes
_CALL = 0.5
_VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Shape", "Dropout", "Size")
_VIEW = Cost(_CALL, 0)
_ON_SIZES = {*_VIEWS, "Gather", "Concat", "Slice"}
_OTHERS = {
    "Softmax": Cost(_CALL, 0.29),
    "LayerNormalization": Cost(_CALL, 0.46),
    "Erf": Cost(_CALL, 0.6),
    "HardSwish": Cost(_CALL, 0.16),
    "Transpose": Cost(_CALL, 0.25),
}
_ELEMENTWISE = Cost(_CALL, 0.08)
# of activations: 775 and 1,070 us for 4 products of 1024 x 8 x 1024 and 1024 x 1024 x 8, 108 for 12 of 128 x 64 x 128
_PRODUCT = Cost(_CALL, 0.12, COSTS["product"][0].product)
# an Add and the LayerNormalization behind it, which ONNX Runtime makes one operator of: 400 us for 128 x 768 values
_SKIP = Cost(_CALL, 4.1 - _OTHERS["LayerNormalization"].value)
_RECURRENT = ("LSTM", "GRU", "RNN")
# of each score, besides its products: 2,592 us for 4 heads of 1024 x 8, 254 for 12 of 128 x 64, 368 for 8 of 256 x 32
_SCORE = Cost(_CALL, 0.4)
_ATTENTION = {"Attention": "q_num_heads", "MultiHeadAttention": "num_heads"}
_ACTIVATIONS = {"Relu", "Clip", "Erf", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "LeakyRelu", "PRelu", "Softmax"}
_ARITHMETIC = {"Add", "Sub", "Mul", "Div", "Sum", "Pow", "Sqrt", "BatchNormalization", "LayerNormalization"}
_KEEP_SHAPE = _ACTIVATIONS | _ARITHMETIC | {"Identity", "Dropout", "Cast"}


def float_time(steps: list[Step], shapes: Mapping[str, Shape]) -> float:
    """Microseconds of the float model that these are the steps of, Adds before LayerNormalizations as they are.

    Args:
        steps: in topological order.
        shapes: of float tensors, by name. Others follow from the model and from what elementwise operators read.
    """
    known = all_shapes(steps, shapes)
    return sum(_priced(step, shapes, known) for step in steps)


def other_time(steps: list[Step], shapes: Mapping[str, Shape]) -> float:
    """Microseconds of the steps that cannot be integer, as they stand in an integer file."""
    known = all_shapes(steps, shapes)
    return sum(_microseconds(step.node, known, skips=False) for step in steps if not may_be_integer(step, shapes))


def may_be_integer(step: Step, shapes: Mapping[str, Shape]) -> bool:
    """Whether a step has an integer form, and reads and makes values that may be encoded: no sizes, for example.

    Args:
        step: of a model.
        shapes: of the float tensors that may be encoded, by name.
    """
    return step.form is not None and all(name_of(value) in shapes for value in (*step.sources, step.output))


def dropped_time(given: onnx.ModelProto, folded: ir.Model) -> float:
    """Microseconds of operators on sizes that a model has, and that folding has dropped where a runtime does not.

    Args:
        given: the model before it was folded.
        folded: the same model.
    """
    before = [(node.op_type, list(node.input), list(node.output)) for node in given.graph.node]
    after = [
        (node.op_type, [value.name or "" for value in node.inputs if value is not None], _names(node.outputs))
        for node in folded.graph
    ]
    ports = required_inputs(given.graph)
    fixed = all(size.HasField("dim_value") for port in ports for size in port.type.tensor_type.shape.dim)
    counts = [
        _count_on_sizes(nodes, constants, fixed)
        for nodes, constants in (
            (before, {tensor.name for tensor in given.graph.initializer}),
            (after, set(folded.graph.initializers)),
        )
    ]
    return _CALL * max(counts[0] - counts[1], 0)


def _names(values: Iterable[ir.Value]) -> list[str]:
    return [value.name or "" for value in values]


def _count_on_sizes(nodes: Iterable[tuple[str, list[str], list[str]]], constants: set[str], fixed: bool) -> int:
    """How many operators on sizes run: not those of constants, as of the sizes of a model that leaves none open."""
    known, count = {*constants, ""}, 0
    for op_type, read, made in nodes:
        if op_type == "Constant" or (read and known.issuperset(read)) or (fixed and op_type == "Shape"):
            known.update(made)
        elif op_type in _ON_SIZES:
            count += 1
    return count


def all_shapes(steps: list[Step], shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shapes that are given, those that the model states, and those of what elementwise operators make."""
    result = dict(shapes)
    for step in steps:
        for value in (*step.node.inputs, *step.node.outputs, step.output):
            found = sizes(value)
            if value is not None and value.name and value.name not in result and found is not None:
                whole = tuple(size for size in found if size is not None)
                if len(whole) == len(found):
                    result[value.name] = whole
        if step.output.name not in result:
            read = [result[value.name] for value in step.node.inputs if value is not None and value.name in result]
            if step.node.op_type in _KEEP_SHAPE and read:
                result[name_of(step.output)] = max(read, key=prod)
            elif step.node.op_type == "MatMul" and len(read) == 2 and min(map(len, read)) >= 2:
                batch = max((shape[:-2] for shape in read), key=lambda sizes: (len(sizes), prod(sizes)))
                result[name_of(step.output)] = (*batch, read[0][-2], read[1][-1])
    return result


def _priced(step: Step, shapes: Mapping[str, Shape], known: Mapping[str, Shape]) -> float:
    if may_be_integer(step, shapes):
        time = step_cost(step, shapes)[0]
        return time + (_SKIP.microseconds(_values(step.node, known), 0) if _skips(step.node) else 0.0)
    return _microseconds(step.node, known, skips=True)


def _microseconds(node: ir.Node, shapes: Mapping[str, Shape], *, skips: bool) -> float:
    """Microseconds of an operator; 0 for one that a runtime computes when it loads the model."""
    if node.op_type == "Constant" or (
        node.inputs and all(value is None or _is_constant(value) for value in node.inputs)
    ):
        return 0.0
    if is_standard(node, *_VIEWS):
        return _VIEW.call
    if is_standard(node, *_RECURRENT, "ConvTranspose"):
        return _products_of_weights(node, shapes)
    values = _values(node, shapes)
    if is_standard(node, "MatMul", "Gemm"):
        inner = _shape(node.inputs[0], shapes)[-1:]
        products = prod(_shape(node.outputs[0], shapes)) * prod(inner)
        return _PRODUCT.microseconds(values, products)
    if node.op_type in _ATTENTION:
        return _attention(node, shapes)
    if skips and _skips(node):
        return _SKIP.microseconds(values, 0)
    return _OTHERS.get(node.op_type, _ELEMENTWISE).microseconds(values, 0)


def _is_constant(value: ir.Value) -> bool:
    return constant(value) is not None


def _shape(value: ir.Value | None, shapes: Mapping[str, Shape]) -> Shape:
    return (0,) if value is None or value.name is None else shapes.get(value.name, (0,))


def _values(node: ir.Node, shapes: Mapping[str, Shape]) -> int:
    """How many values an operator reads or makes, whichever are more."""
    read = [value for value in node.inputs if value is not None and not _is_constant(value)]
    return max((prod(_shape(value, shapes)) for value in (*read, *node.outputs)), default=0)


def _skips(node: ir.Node) -> bool:
    """Whether ONNX Runtime makes a SkipLayerNormalization of an Add and what reads it."""
    output = node.outputs[0]
    readers = [use.node for use in output.uses()]
    return (
        is_standard(node, "Add")
        and len(readers) == 1
        and is_standard(readers[0], "LayerNormalization")
        and not output.is_graph_output()
        # it has to know that both have the same sizes, by number or by name
        and not any(value is None or _is_constant(value) for value in node.inputs)
        and _alike(node.inputs[0], node.inputs[1])
    )


def _alike(one: ir.Value | None, other: ir.Value | None) -> bool:
    """Whether two values have the same sizes by what the model states, each with a number or a name."""
    stated = [None if value is None else value.shape for value in (one, other)]
    if stated[0] is None or stated[1] is None or len(stated[0]) != len(stated[1]):
        return False
    return all(ours == theirs and _is_stated(ours) for ours, theirs in zip(stated[0], stated[1], strict=True))


def _is_stated(size: int | ir.SymbolicDim) -> bool:
    """Whether a size is a number or a name, not one that onnx's inference gives to what it does not know."""
    return isinstance(size, int) or (size.value is not None and not size.value.startswith("unk__"))


def _attention(node: ir.Node, shapes: Mapping[str, Shape]) -> float:
    """Microseconds of an attention in one operator: the products of two matrices for each head, and the Softmax."""
    query, key = (_shape(value, shapes) for value in (*node.inputs[:2], None, None)[:2])
    if len(query) not in (3, 4) or len(key) != len(query):
        return _ELEMENTWISE.microseconds(_values(node, shapes), 0)
    heads = query[1] if len(query) == 4 else attribute(node, _ATTENTION[node.op_type], 1)
    scores = query[0] * heads * query[-2] * key[-2]
    width = query[-1] if len(query) == 4 else query[-1] // heads
    return _SCORE.microseconds(scores, 0) + COSTS["product"][0].microseconds(0, 2 * scores * width)


def _products_of_weights(node: ir.Node, shapes: Mapping[str, Shape]) -> float:
    """Microseconds for the products of a ConvTranspose or a recurrent operator with constant weights."""
    source = _shape(node.inputs[0], shapes)
    matrices = [found for found in (input_constant(node, index) for index in (1, 2)) if found is not None]
    if node.op_type == "ConvTranspose":
        weights = input_constant(node, 1)
        return 0.0 if weights is None else COSTS["Conv"][0].microseconds(0, prod(source) * weights[0].size)
    rows = prod(source[:2])
    return sum(COSTS["product of few rows"][0].microseconds(0, rows * matrix.size) for matrix in matrices)
