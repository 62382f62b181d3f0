"""The published classification nets, translated."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.shared_data import SHARED, needs_shared
from zoosmith.convert import caffe2_to_onnx, read_net, write_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef

ZOO = SHARED / "caffe2_zoo"
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
INPUTS = {"data": (1, [1, 3, 224, 224])}

pytestmark = needs_shared


def nodes_of_light(name: str) -> list[onnx.NodeProto]:
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    # the weights were replaced by ConstantOfShape
    return [node for node in model.graph.node if node.op_type != "ConstantOfShape"]


def wiring(nodes: list[onnx.NodeProto], inner: set[str]) -> Iterator[tuple]:
    """Operator, inputs and outputs of every node, inner names replaced by where they were made."""
    made: dict[str, str] = {}
    for index, node in enumerate(nodes):
        inputs = [made.get(name, name) for name in node.input]
        for position, name in enumerate(node.output):
            if name in inner:
                made[name] = f"{index}:{position}"
        yield node.op_type, inputs, [made.get(name, name) for name in node.output]


def net_with_zeros(name: str) -> tuple[NetDef, NetDef]:
    init = NetDef(name=f"{name}_init")
    for blob, shape in json.loads((ZOO / name / "shapes.json").read_text()).items():
        op = init.op.add(type="ConstantFill", output=[blob])
        op.arg.add(name="shape", ints=shape)
    return read_net(ZOO / name / "predict_net.pbtxt"), init


@pytest.fixture(scope="module")
def init_net() -> Path:
    return SHARED / "densenet121" / "init_net.pb"


def test_the_text_net_serializes_to_the_published_binary() -> None:
    content = write_net(read_net(ZOO / "densenet121" / "predict_net.pbtxt"))
    assert len(content) == 77_239
    assert hashlib.sha256(content).hexdigest() == "820772d4e7b907599cba93ab0e7d2db0dc0b6e313e842a8729a0ea0354e4a719"


@pytest.mark.parametrize(
    ("opset", "size"),
    [(3, 32_718_955), (6, 32_715_083), (7, 32_719_461), (8, 32_719_461), (9, 32_719_461)],
)
def test_a_row_is_valid_and_has_exactly_its_size(init_net: Path, opset: int, size: int) -> None:
    model = caffe2_to_onnx(ZOO / "densenet121" / "predict_net.pbtxt", init_net, inputs=INPUTS, opset=opset)
    assert model.opset_import[0].version == opset
    assert model.ByteSize() == size
    onnx.checker.check_model(model, full_check=True)


def test_the_opset_9_graph_is_the_published_one(init_net: Path) -> None:
    model = caffe2_to_onnx(ZOO / "densenet121" / "predict_net.pbtxt", init_net, inputs=INPUTS)
    ours, theirs = list(model.graph.node), nodes_of_light("densenet121")
    inner = {name for node in [*ours, *theirs] for name in node.output} - {"fc6_1"}
    assert list(wiring(ours, inner)) == list(wiring(theirs, inner))
    assert [list(node.attribute) for node in ours] == [list(node.attribute) for node in theirs]
    assert [value.name for value in model.graph.output] == ["fc6_1"]


@pytest.mark.parametrize("name", ["bvlc_alexnet", "vgg19"])
def test_other_classifiers_have_the_published_operators_and_wiring(name: str) -> None:
    model = caffe2_to_onnx(*net_with_zeros(name), inputs=INPUTS)
    ours, theirs = list(model.graph.node), nodes_of_light(name)
    for node in theirs:
        if node.op_type == "Dropout":
            del node.output[1:]  # the mask, which nothing reads
    inner = {name for node in [*ours, *theirs] for name in node.output} - {"prob_1"}
    for nodes in (ours, theirs):
        reshape = next(node for node in nodes if node.op_type == "Reshape")
        reshape.input[1] = "shape"
    assert list(wiring(ours, inner)) == list(wiring(theirs, inner))
    for mine, published in zip(ours, theirs, strict=True):
        assert {a.name: a for a in mine.attribute} == {a.name: a for a in published.attribute}


def test_parameters_are_inputs_too_and_stand_sorted(init_net: Path) -> None:
    graph = caffe2_to_onnx(ZOO / "densenet121" / "predict_net.pbtxt", init_net, inputs=INPUTS).graph
    names = [tensor.name for tensor in graph.initializer]
    assert names == sorted(names)
    assert [value.name for value in graph.input][-1] == "data_0"
    assert {value.name for value in graph.input} == {*names, "data_0"}


def test_values_reach_the_file_bit_by_bit(init_net: Path) -> None:
    model = caffe2_to_onnx(ZOO / "densenet121" / "predict_net.pbtxt", init_net, inputs=INPUTS, names="caffe2")
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "conv1_w")
    theirs = NetDef.FromString(init_net.read_bytes()).op[0]
    assert theirs.output == ["conv1_w"]
    assert np.array_equal(onnx.numpy_helper.to_array(weight).ravel(), np.array(theirs.arg[0].floats, np.float32))
