"""A model that contradicts itself is refused in one line before a library works on it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.attacks import models
from tests.optimize.nets import Net
from zoosmith.optimize import OptimizeError, fold_to_ir, simplify, to_proto
from zoosmith.optimize.validity import valid
from zoosmith.validation import runner_for

BAD = {
    "stride": models.images("Conv", models.CONV, ["x", "W"], strides=[0, 0]),
    "unknown input": models.model([models.node("Add", ["x", "nothing"])]),
    "unknown domain": models.model([models.node("Relu", domain="no.such")]),
    "no node makes the output": models.model([models.node("Relu", ["x"], ["z"])]),
}


@pytest.mark.parametrize("name", [name for name in BAD if name != "stride"])
def test_what_is_not_valid_is_refused(name: str) -> None:
    for work in (simplify, fold_to_ir):
        with pytest.raises(OptimizeError, match="the model is not valid: "):
            work(BAD[name])


def test_shapes_that_a_model_states_wrongly_are_corrected() -> None:
    net = Net([1, 3, 8, 8])
    model = net.model(net.add("Relu", net.conv("data", 3, 4)))
    [wrong] = model.graph.output
    # a scalar, as PaddlePaddle's exporter has it
    wrong.type.tensor_type.shape.Clear()
    wrong.type.tensor_type.shape.SetInParent()
    before = model.SerializeToString()
    for made in (simplify(model), to_proto(fold_to_ir(model))):
        [output] = made.graph.output
        assert [size.dim_value for size in output.type.tensor_type.shape.dim] == [1, 4, 8, 8]
        onnx.checker.check_model(made, full_check=True)
        data = np.ones((1, 3, 8, 8), np.float32)
        assert runner_for(made).run({"data": data})[output.name].shape == (1, 4, 8, 8)
    assert model.SerializeToString() == before


def test_a_stride_of_0_does_not_end_the_process(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(BAD["stride"].SerializeToString())
    script = "import onnx, sys; from zoosmith.optimize import simplify; simplify(onnx.load(sys.argv[1]))"
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "m.onnx")], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "OptimizeError: the model is not valid: " in ended.stderr


def test_an_output_of_unknown_rank_needs_no_shape() -> None:
    nodes = [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3]),
        helper.make_tensor_value_info("axes", TensorProto.INT64, [None]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    result = to_proto(fold_to_ir(model))
    assert not result.graph.output[0].type.tensor_type.HasField("shape")
    fed = {"x": np.ones((2, 3), np.float32), "axes": np.array([0, 1])}
    assert runner_for(result).run(fed)["y"] == 6


def test_an_attribute_that_onnx_s_inference_does_not_know_may_be_left_out() -> None:
    net = Net([1, 4, 8, 8], opset=13)
    model = net.model(net.add("MeanVarianceNormalization", "data"))
    assert valid(model) is model
    assert not model.graph.node[0].attribute
