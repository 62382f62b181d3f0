"""Recurrent networks over sequences and batches of any size, and what has no form as a Loop."""

import numpy as np
import onnx
import pytest

from tests.caffe2_cases.case import fill
from tests.caffe2_cases.recurrent import CASES
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import OnnxRuntimeRunner, interpret

LSTM = next(case for case in CASES if str(case) == "RecurrentNetwork LSTM")
DATA = ("x", "h0", "c0", "lengths")


def parameters() -> NetDef:
    init = NetDef(name="init")
    for blob in LSTM.inputs.keys() - set(DATA):
        init.MergeFrom(fill(blob, LSTM.inputs[blob]))
    return init


def changed(name: str, value: object) -> NetDef:
    net = NetDef()
    net.CopyFrom(LSTM.net)
    (argument,) = (a for a in net.op[0].arg if a.name == name)
    argument.ints[:] = value  # type: ignore[assignment]
    return net


def test_steps_and_batch_may_be_of_any_size():
    float32, int32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    info = {
        "x": (float32, ["steps", "batch", 8]),
        "h0": (float32, [1, "batch", 2]),
        "c0": (float32, [1, "batch", 2]),
        "lengths": (int32, ["batch"]),
    }
    model = caffe2_to_onnx(LSTM.net, parameters(), inputs=info, opset=None, names="caffe2")
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node if node.op_type in {"Loop", "Scan", "LSTM"}] == ["Loop"]
    random = np.random.RandomState(3)
    for steps, batch in ((1, 1), (4, 2), (9, 5)):
        feeds = {
            "x": random.randn(steps, batch, 8).astype(np.float32),
            "h0": random.randn(1, batch, 2).astype(np.float32),
            "c0": random.randn(1, batch, 2).astype(np.float32),
            "lengths": random.randint(1, steps + 1, batch).astype(np.int32),
        }
        expected = interpret(LSTM.net, parameters(), feeds)
        for name, found in OnnxRuntimeRunner(model).run(feeds).items():
            np.testing.assert_allclose(found, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("argument", "value", "reason"),
    [
        ("link_offset", [0, 1, 0, 1, 1], "with offset 1, no input of it"),
        ("link_offset", [0, 1, 0, 2, 0], "not one blob before a step and one after it"),
        ("alias_offset", [1, -2, 1, -1], "from step -2 on"),
        ("initial_recurrent_state_ids", [1], "expected one for each state"),
    ],
)
def test_a_network_that_is_no_loop_over_single_steps_is_refused(argument: str, value: list[int], reason: str):
    info = {blob: (int(onnx.helper.np_dtype_to_tensor_dtype(x.dtype)), x.shape) for blob, x in LSTM.inputs.items()}
    with pytest.raises(ConvertError, match=reason):
        caffe2_to_onnx(changed(argument, value), None, inputs=info, opset=None)
