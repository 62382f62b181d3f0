"""Opsets below 7, which no runtime of today runs: what is written computes what the net does."""

from typing import Any

import numpy as np
import onnx
import pytest

from tests.convert.test_translation import filled, net_of
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import Caffe2Onnx, Caffe2Worker, ReferenceRunner, compare, interpret

RANDOM = np.random.default_rng(3)
Nets = dict[str, tuple[NetDef, dict[str, tuple[int, ...]], tuple[int, ...]]]


def fully_connected(**arguments: Any) -> NetDef:
    return net_of(("FC", "X W b", "Y"), inputs="X W b", outputs="Y", **arguments)


# a net, the shapes of its parameters, the shape of each of its data inputs
NETS: Nets = {
    "FC of 4 dimensions": (fully_connected(), {"W": (5, 24), "b": (5,)}, (2, 3, 2, 4)),
    "FC of 3 dimensions": (fully_connected(), {"W": (5, 8), "b": (5,)}, (2, 2, 4)),
    "FC from a later axis": (fully_connected(axis=2), {"W": (5, 4), "b": (5,)}, (2, 3, 4)),
    "FC of weights with 4 dimensions": (fully_connected(), {"W": (5, 3, 2, 4), "b": (5,)}, (2, 3, 2, 4)),
    "Sum": (net_of(("Relu", "X", "A"), ("Sum", "X A X", "Y"), outputs="Y"), {}, (2, 3)),
    "SumRelu": (net_of(("Relu", "X", "A"), ("SumRelu", "X A", "Y"), outputs="Y"), {}, (2, 3)),
    "FCTransposed": (
        net_of(("FCTransposed", "X W b", "Y"), inputs="X W b", outputs="Y"),
        {"W": (24, 5), "b": (5,)},
        (2, 3, 2, 4),
    ),
    "Max": (net_of(("Relu", "X", "A"), ("Max", "X A", "Y"), outputs="Y"), {}, (2, 3)),
    "Min": (net_of(("Relu", "X", "A"), ("Min", "X A", "Y"), outputs="Y"), {}, (2, 3)),
    "Mean": (net_of(("Relu", "X", "A"), ("Mean", "X A", "Y"), outputs="Y"), {}, (2, 3)),
    "Reshape": (net_of(("Reshape", "X", "Y S"), outputs="Y", shape=[0, -1]), {}, (2, 3, 4)),
    "ChannelShuffle": (net_of(("ChannelShuffle", "X", "Y"), outputs="Y", group=2, kernel=1), {}, (1, 4, 2, 2)),
    "ResizeLike": (net_of(("ResizeLike", "X L", "Y"), inputs="X L", outputs="Y"), {"L": (3, 4)}, (2, 6)),
}


@pytest.mark.parametrize("opset", [3, 4, 5, 6])
@pytest.mark.parametrize("name", NETS)
def test_a_row_below_7_computes_what_the_net_does(name: str, opset: int) -> None:
    net, shapes, data = NETS[name]
    init = filled(**{blob: RANDOM.standard_normal(shape).astype(np.float32) for blob, shape in shapes.items()})
    model = caffe2_to_onnx(net, init, inputs={"X": (1, list(data))}, opset=opset)
    onnx.checker.check_model(model, full_check=True)
    x = RANDOM.standard_normal(data).astype(np.float32)
    (found,) = ReferenceRunner(model).run({"X_0": x}).values()
    assert compare(interpret(net, init, {"X": x}), {"Y": found}).passed


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Sum"])
def test_integers_are_refused_where_the_old_forms_take_floats_only(kind: str) -> None:
    net = net_of((kind, "X X", "Y"), outputs="Y")
    with pytest.raises(ConvertError, match=r"opset 5 cannot express"):
        caffe2_to_onnx(net, inputs={"X": (onnx.TensorProto.INT64, [2])}, opset=5)


def gemm_of_4_dimensions() -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    node = onnx.helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1, broadcast=1)
    x, w, b = (RANDOM.standard_normal(shape).astype(np.float32) for shape in [(2, 3, 2, 2), (5, 12), (5,)])
    ports = [onnx.helper.make_tensor_value_info(name, 1, a.shape) for name, a in zip("xwb", (x, w, b), strict=True)]
    result = [onnx.helper.make_tensor_value_info("y", 1, [2, 5])]
    graph = onnx.helper.make_graph([node], "g", ports, result)
    opset = onnx.helper.make_opsetid("", 3)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=3), {"x": x, "w": w, "b": b}


def test_the_old_gemm_flattens_its_first_operand() -> None:
    model, feeds = gemm_of_4_dimensions()
    (found,) = ReferenceRunner(model).run(feeds).values()
    np.testing.assert_allclose(found, feeds["x"].reshape(2, 12) @ feeds["w"].T + feeds["b"], rtol=1e-5)


@pytest.mark.caffe2
def test_the_old_gemm_flattens_as_the_backend_of_caffe2_does(caffe2_worker: Caffe2Worker) -> None:
    model, feeds = gemm_of_4_dimensions()
    assert compare(Caffe2Onnx(model, worker=caffe2_worker).run(feeds), ReferenceRunner(model).run(feeds)).passed
