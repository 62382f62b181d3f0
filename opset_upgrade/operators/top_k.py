"""TopK and Unique."""

from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, output_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("TopK", "Unique")(cast_to_exact)


@adapter("TopK", source=1, target=10)
def _k_to_input(node: NodeProto, g: Writer) -> None:
    set_inputs(node, node.input[0], g.constant([get_attribute(node, "k")]))
    drop_attribute(node, "k")


@adapter("TopK", source=10, target=1)
def _k_to_attribute(node: NodeProto, g: Writer) -> None:
    axis = g.attribute("axis")
    value = g.value(node.input[1])
    stated = [g.shape(name) for name in node.output if name]
    count = next((shape[axis] for shape in stated if shape is not None and shape[axis] is not None), None)
    if value is not None:
        count = int(value.reshape(-1)[0])
    if count is None:
        _first_of_all(node, g, axis)
        return
    if count < 1:
        g.refuse("k=0 does not exist there")
    set_inputs(node, node.input[0])
    set_attribute(node, "k", count)


def _first_of_all(node: NodeProto, g: Writer, axis: int) -> None:
    """Sort the whole axis, and keep as many as the run says."""
    size = g.fixed_size(node.input[0], axis, f"K ({node.input[1]!r}) is computed at run time")
    bounds = (g.constant([0]), node.input[1], g.constant([axis]))
    results = list(node.output)
    set_inputs(node, node.input[0])
    set_attribute(node, "k", size)
    node.output[:] = [g.fresh("sorted") if name else "" for name in results]
    g.keep()
    for whole, result in zip(node.output, results, strict=True):
        if result:
            g.op("Slice", whole, *bounds, output=result, opset=10)


@adapter("TopK", source=11, target=10)
def _smallest_by_negation(node: NodeProto, g: Writer) -> None:
    """Before 11 the largest are taken, sorted."""
    largest = g.attribute("largest")
    drop_attribute(node, "largest")
    drop_attribute(node, "sorted")
    if largest:
        return
    if g.element_type(node.input[0]) not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
        g.refuse("the smallest of integers cannot be taken there")
    values = output_at(node, 0)
    node.input[0] = g.op("Neg", node.input[0])
    if values:
        node.output[0] = g.fresh("negated")
    g.keep()
    if values:
        g.op("Neg", node.output[0], output=values)
