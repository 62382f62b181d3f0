"""What the zoo's exporter wrote and a translation does not need: with it the rows have the published bytes.

Each function makes a row like another one, with one habit. They were found by comparing translations with the sizes of
the published files.
"""

from collections.abc import Iterator

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.recipes.rows import Make, RowMaker

# what onnx's converter calls the values of the constants that it adds
_CONVERTED_CONSTANT = "_v_"


def with_graph_name(make: Make, name: str) -> Make:
    """Give the graph the name that it has in the published files, which may be another than the net's."""

    def renamed(maker: RowMaker) -> ModelProto:
        model = make(maker)
        model.graph.name = name
        return model

    return renamed


def with_dropout_masks(make: Make, net: NetDef) -> Make:
    """Keep the second output of each Dropout, named after the mask blob of the net."""
    masks = {op.output[0]: op.output[1] for op in net.op if op.type == "Dropout" and len(op.output) > 1}

    def masked(maker: RowMaker) -> ModelProto:
        model = make(maker)
        for node in _nodes(model.graph, "Dropout"):
            mask = masks.get(node.output[0].rpartition("_")[0])
            if mask is not None and len(node.output) == 1:
                node.output.append(f"{mask}_1")
        return model

    return masked


def with_nameless_gemms(make: Make) -> Make:
    """Leave out the empty name that every other node carries."""

    def nameless(maker: RowMaker) -> ModelProto:
        model = make(maker)
        for node in _nodes(model.graph, "Gemm"):
            node.ClearField("name")
        return model

    return nameless


def with_flattening_gemms(make: Make) -> Make:
    """Let Gemm read what has more than two sizes, which it flattens in the runtimes of opset 3."""

    def direct(maker: RowMaker) -> ModelProto:
        model = make(maker)
        graph = model.graph
        makers = {name: node for node in graph.node for name in node.output}
        removed = []
        for gemm in _nodes(graph, "Gemm"):
            flat = makers.get(gemm.input[0])
            if flat is not None and flat.op_type in ("Reshape", "Flatten"):
                gemm.input[0] = flat.input[0]
                removed.append(flat)
        for node in removed:
            graph.node.remove(node)
        _drop_unread(graph, [name for node in removed for name in node.input[1:]])
        return model

    return direct


def with_ratios_as_initializers(make: Make) -> Make:
    """Hold the ratio of a Dropout as a parameter whose name is a bare number, not as a Constant, in opset 12."""

    def stored(maker: RowMaker) -> ModelProto:
        model = make(maker)
        graph = model.graph
        ratios = {node.input[1] for node in _nodes(graph, "Dropout") if len(node.input) > 1}
        for node in list(_nodes(graph, "Constant")):
            if node.output[0] not in ratios:
                continue
            name = node.output[0].removeprefix(_CONVERTED_CONSTANT)
            value = numpy_helper.to_array(node.attribute[0].t)
            graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
            for reader in graph.node:
                reader.input[:] = [name if read == node.output[0] else read for read in reader.input]
            graph.node.remove(node)
        return model

    return stored


def _nodes(graph: GraphProto, kind: str) -> Iterator[NodeProto]:
    return (node for node in graph.node if node.op_type == kind)


def _drop_unread(graph: GraphProto, names: list[str]) -> None:
    """Remove those parameters of `names` that no node reads any more."""
    read = {name for node in graph.node for name in node.input}
    gone = set(names) - read
    for tensor in [tensor for tensor in graph.initializer if tensor.name in gone]:
        graph.initializer.remove(tensor)
    for value in [value for value in graph.input if value.name in gone]:
        graph.input.remove(value)
