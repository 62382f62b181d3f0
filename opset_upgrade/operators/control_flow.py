"""If, Scan (with a batch axis of its own at 8, without since 9) and SequenceMap."""

from onnx import GraphProto, NodeProto, TensorShapeProto, TypeProto, ValueInfoProto, helper

from zoosmith.onnx_model.traversal import subgraphs
from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.graph_editing import open_shape
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, set_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.type_inference import infer_node
from zoosmith.opset_upgrade.version_steps import next_step
from zoosmith.opset_upgrade.writer import Writer

decomposition("SequenceMap")(inline_body)


@adapter("If", source=11, target=1)
def _one_shape_of_both_branches(node: NodeProto, g: Writer) -> None:
    """Before 11 both branches come to one shape: leave those open that may differ."""
    branches = dict(subgraphs(node))
    # the branches are still of the opset that the model came with
    types = infer_node(node, g.facts.opset, g.facts.type, g.facts.value)
    for index in range(len(node.output)):
        known: dict[str, TypeProto] = {
            key: types.get((key,), {}).get(branch.output[index].name, branch.output[index].type)
            for key, branch in branches.items()
        }
        shapes = [_shape(each) for each in known.values()]
        if shapes[0] == shapes[-1] and (shapes[0] is None or _is_named(shapes[0])):
            continue
        for key, shape in zip(branches, shapes, strict=True):
            if shape is not None:
                open_shape(branches[key], index, node.input[0], g.fresh, taken_if=key == "then_branch")
                branches[key].output[index].type.tensor_type.elem_type = known[key].tensor_type.elem_type


def _shape(value_type: TypeProto) -> TensorShapeProto | None:
    return value_type.tensor_type.shape if value_type.tensor_type.HasField("shape") else None


def _is_named(shape: TensorShapeProto) -> bool:
    """Whether every dimension is a number or has a name."""
    return all(dimension.WhichOneof("value") for dimension in shape.dim)


@adapter("Scan", source=9, target=8, any_type=True)
def _batch_of_one(node: NodeProto, g: Writer) -> None:
    """Scan a batch of one sequence."""
    for name in ("scan_input_axes", "scan_output_axes", "scan_output_directions"):
        if any(get_attribute(node, name, ())):
            g.refuse(f"attribute {name} does not exist there")
        drop_attribute(node, name)
    directions = get_attribute(node, "scan_input_directions")
    drop_attribute(node, "scan_input_directions")
    if directions is not None:
        set_attribute(node, "directions", directions)
    results = list(node.output)
    node.input[:] = ["", *(g.op("Unsqueeze", name, axes=[0]) for name in node.input)]
    node.output[:] = [g.fresh("batch") for _ in results]
    g.keep()
    for batch, result in zip(node.output, results, strict=True):
        if result:
            g.op("Squeeze", batch, axes=[0], output=result)


@adapter("Scan", source=8, target=9)
def _scan_of_scans(node: NodeProto, g: Writer) -> None:
    """Version 8 scans a batch of sequences: scan over the batch, and in each step over the sequence."""
    _refuse_what_9_lacks(node, g)
    directions = get_attribute(node, "directions")
    drop_attribute(node, "directions")
    if directions is not None:
        set_attribute(node, "scan_input_directions", directions)
    inner = NodeProto()
    inner.CopyFrom(node)
    inner.input[:] = [g.fresh("in") for _ in node.input[1:]]
    inner.output[:] = [g.fresh("out") if name else "" for name in node.output]
    batch = GraphProto(name="batch", node=[inner])
    batch.input.extend(ValueInfoProto(name=name) for name in inner.input)
    batch.output.extend(ValueInfoProto(name=name) for name in inner.output if name)
    g.emit(
        helper.make_node(
            "Scan",
            list(node.input[1:]),
            [name for name in node.output if name],
            name=node.name,
            body=batch,
            num_scan_inputs=len(inner.input),
        )
    )


def _refuse_what_9_lacks(node: NodeProto, g: Writer) -> None:
    if input_at(node, 0):
        g.refuse("sequences of different lengths (sequence_lens) do not exist there")
    for _, body in subgraphs(node):
        changed = [inner.op_type for inner in body.node if not inner.domain and next_step(inner.op_type, 8, 9)]
        if changed:
            g.refuse(f"its body has operators that changed as well ({', '.join(changed)})")


@adapter("Scan", source=11, target=9)
def _axes_from_front(node: NodeProto, g: Writer) -> None:
    count = get_attribute(node, "num_scan_inputs")
    states = len(node.input) - count
    for name, values in (("scan_input_axes", node.input[states:]), ("scan_output_axes", node.output[states:])):
        axes = get_attribute(node, name)
        if axes and min(axes) < 0:
            ranks = (g.rank(value) for value in values)
            set_attribute(node, name, [axis % rank for axis, rank in zip(axes, ranks, strict=True)])
