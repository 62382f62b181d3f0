"""Nets as a training leaves them: their database becomes inputs, and a loss that nobody wants goes with its labels."""

import numpy as np
import onnx
import pytest

from tests.caffe2_cases.case import fill
from tests.validation.caffe2_nets import net_of
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import OnnxRuntimeRunner, interpret

DATA = {"data": (onnx.TensorProto.FLOAT, ["N", 4])}
WEIGHTS = np.float32([[1, 0, -1, 2], [0, 1, 1, -1], [2, 2, 0, 0]])


def training_net(outputs: str) -> NetDef:
    return net_of(
        ("TensorProtosDBInput", "reader", "data label", {"batch_size": 64}),
        ("FC", "data w b", "scores"),
        ("SoftmaxWithLoss", "scores label", "p loss"),
        ("Accuracy", "p label", "accuracy"),
        inputs="reader w b",
        outputs=outputs,
    )


def parameters() -> NetDef:
    init = NetDef(name="init")
    init.op.add(type="CreateDB", output=["reader"])
    init.MergeFrom(fill("w", WEIGHTS))
    init.MergeFrom(fill("b", np.zeros(3, np.float32)))
    return init


def test_data_of_a_database_is_an_input_and_labels_are_none():
    model = caffe2_to_onnx(training_net("p"), parameters(), inputs=DATA, opset=13)
    assert [value.name for value in model.graph.input] == ["data_0"]
    x = np.float32([[1, 2, 3, 4], [0, -1, 0, 1]])
    (found,) = OnnxRuntimeRunner(model).run({"data_0": x}).values()
    (expected,) = interpret(training_net("p"), parameters(), {"data": x}).values()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    scores = np.exp(x @ WEIGHTS.T)
    np.testing.assert_allclose(found, scores / scores.sum(1, keepdims=True), rtol=1e-5)


def test_a_net_without_outputs_gives_what_is_asked_for():
    model = caffe2_to_onnx(training_net(""), parameters(), inputs=DATA, opset=13, outputs=["p"])
    assert [value.name for value in model.graph.input] == ["data_0"]


def test_the_shape_of_the_data_is_asked_for():
    with pytest.raises(ConvertError, match="nothing gives 'data'"):
        caffe2_to_onnx(training_net("p"), parameters(), inputs={})


def test_a_loss_that_is_wanted_is_refused():
    inputs = {**DATA, "label": (onnx.TensorProto.INT32, ["N"])}
    with pytest.raises(ConvertError, match="'loss', an output that has no translation"):
        caffe2_to_onnx(training_net("loss"), parameters(), inputs=inputs, opset=13)
