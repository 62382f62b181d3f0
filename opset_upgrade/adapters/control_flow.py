"""Scan: from a batch dimension of its own (8) to none (9)."""

from onnx import GraphProto, NodeProto, ValueInfoProto, helper

from zoosmith.onnx_model.traversal import subgraphs
from zoosmith.opset_upgrade.nodes import drop_attribute, get_attribute, input_at, set_attribute
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.steps import next_step
from zoosmith.opset_upgrade.writer import Writer


@adapter("Scan", 8, 9)
def _scan_of_scans(node: NodeProto, g: Writer) -> None:
    """Version 8 scans a batch of sequences: scan over the batch, and in each step over the sequence."""
    if input_at(node, 0):
        g.refuse("sequences of different lengths (sequence_lens) do not exist there")
    for _, body in subgraphs(node):
        changed = [inner.op_type for inner in body.node if not inner.domain and next_step(inner.op_type, 8, 9)]
        if changed:
            g.refuse(f"its body has operators that changed as well ({', '.join(changed)})")
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


@adapter("Scan", 9, 8, any_type=True)
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
            g.op("Squeeze", batch, axes=[0], outputs=[result])


@adapter("Scan", 11, 9)
def _axes_from_the_front(node: NodeProto, g: Writer) -> None:
    count = get_attribute(node, "num_scan_inputs")
    states = len(node.input) - count
    for name, values in (("scan_input_axes", node.input[states:]), ("scan_output_axes", node.output[states:])):
        axes = get_attribute(node, name)
        if axes and min(axes) < 0:
            ranks = (g.rank(value) for value in values)
            set_attribute(node, name, [axis % rank for axis, rank in zip(axes, ranks, strict=True)])
