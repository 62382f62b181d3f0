"""Models whose runs have no end, or a late one."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef


def endless_model(opset: int = 13) -> onnx.ModelProto:
    """A Loop whose condition stays true."""
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Add", ["a", "one"], ["a2"])],
        "body",
        [info("i", TensorProto.INT64, []), info("c", TensorProto.BOOL, []), info("a", TensorProto.FLOAT, [1])],
        [info("c2", TensorProto.BOOL, []), info("a2", TensorProto.FLOAT, [1])],
        [helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "go", "x"], ["y"], body=body)],
        "endless",
        [info("x", TensorProto.FLOAT, [1])],
        [info("y", TensorProto.FLOAT, [1])],
        [helper.make_tensor("go", TensorProto.BOOL, [], [True])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def long_net() -> NetDef:
    """A Caffe2 net that multiplies x of [700, 700] by itself two thousand times."""
    powers = [OperatorDef(type="MatMul", input=["x", "x"], output=["x"])] * 2000
    last = OperatorDef(type="Relu", input=["x"], output=["y"])
    return NetDef(name="long", op=[*powers, last], external_input=["x"], external_output=["y"])


def endless_classifier() -> onnx.ModelProto:
    """Three classes of images [1, 3, 8, 8], by a Conv and a Loop whose condition stays true."""
    model = endless_model()
    graph, info = model.graph, helper.make_tensor_value_info
    loop = graph.node.pop()
    loop.input[2], loop.output[0] = "c0", "l"
    graph.node.extend(
        [helper.make_node("Conv", ["x", "W"], ["c0"]), loop, helper.make_node("GlobalAveragePool", ["l"], ["y"])]
    )
    graph.initializer.append(numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "W"))
    for attribute in loop.attribute:
        for value in (attribute.g.input[2], attribute.g.output[1]):
            value.CopyFrom(info(value.name, TensorProto.FLOAT, [1, 3, 8, 8]))
    graph.input[0].CopyFrom(info("x", TensorProto.FLOAT, [1, 3, 8, 8]))
    graph.output[0].CopyFrom(info("y", TensorProto.FLOAT, [1, 3, 1, 1]))
    onnx.checker.check_model(model, full_check=True)
    return model
