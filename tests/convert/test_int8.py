"""Caffe2's int8 operators in ONNX: the very integers, in ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from tests.caffe2_cases import operator_cases
from tests.convert.int8_mobilenet import SIZE, mobilenet
from tests.validation import int8_nets
from tests.validation.caffe2_nets import add_argument, net_of
from tests.validation.recordings import Recording, random_case, recordings, run_caffe2
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import Caffe2Runner, Caffe2Worker, OnnxRuntimeRunner, interpret

_TYPES = {"f": TensorProto.FLOAT, "u": TensorProto.UINT8, "i": TensorProto.INT32}


def run_converted(
    net: NetDef, inputs: dict[str, np.ndarray], *, symbolic: bool = False, opset: int | None = None
) -> dict[str, np.ndarray]:
    """Convert, check the model and run it in ONNX Runtime; `symbolic` names the first size of each input."""
    info = {
        name: (_TYPES[value.dtype.kind], [f"n_{name}" if symbolic else value.shape[0], *value.shape[1:]])
        for name, value in inputs.items()
    }
    model = caffe2_to_onnx(net, None, inputs=info, opset=opset, names="caffe2")
    onnx.checker.check_model(model, full_check=True)
    return OnnxRuntimeRunner(model, threads=1).run(inputs)


def assert_caffe2s_integers(net, inputs, expected, **options):
    if expected is None:
        with pytest.raises(ConvertError):
            run_converted(net, inputs, **options)
        return
    actual = run_converted(net, inputs, **options)
    for (name, value), found in zip(expected.items(), actual.values(), strict=True):
        np.testing.assert_array_equal(found, value, err_msg=name, strict=True)


@pytest.mark.parametrize("case", recordings("int8"), ids=str)
def test_a_random_net_gives_the_integers_that_caffe2_gave(case: Recording):
    assert_caffe2s_integers(case.net, case.inputs, case.outputs)


@pytest.mark.caffe2
@pytest.mark.parametrize("kind", int8_nets.KINDS)
def test_a_random_net_gives_the_integers_that_caffe2_gives(kind: str, caffe2_worker: Caffe2Worker):
    for seed in range(2000, 2040):
        net, inputs = random_case(int8_nets.KINDS[kind], seed)
        assert_caffe2s_integers(net, inputs, run_caffe2(net, inputs, caffe2_worker))


def run_mobilenet() -> tuple[NetDef, NetDef, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The net, its parameters, an input, and every int8 blob that the converted net computes."""
    net, init = mobilenet()
    x = np.random.RandomState(1).standard_normal((2, SIZE, SIZE, 3)).astype(np.float32)
    info = {"x": (TensorProto.FLOAT, ["n", SIZE, SIZE, 3])}
    model = caffe2_to_onnx(net, init, inputs=info, opset=None, names="caffe2")
    return net, init, {"x": x}, OnnxRuntimeRunner(model, threads=2).run({"x": x})


def test_every_blob_of_a_mobilenet_has_the_interpreters_integers():
    net, init, inputs, actual = run_mobilenet()
    expected = interpret(net, init, inputs)
    assert len(actual) == 65
    for name, value in expected.items():
        assert value.std() > 3, "the integers of a blob that saturates prove nothing"
        np.testing.assert_array_equal(actual[name], value, err_msg=name)


@pytest.mark.caffe2
def test_every_blob_of_a_mobilenet_has_caffe2s_integers(caffe2_worker: Caffe2Worker):
    net, init, inputs, actual = run_mobilenet()
    runner = Caffe2Runner(net, init, worker=caffe2_worker)
    for name, value in runner.run(inputs).items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)
    runner.close()


@pytest.mark.parametrize("opset", [13, 18, 21])
def test_newer_opsets_give_the_same_integers(opset: int):
    for case in recordings("int8")[::5]:
        assert_caffe2s_integers(case.net, case.inputs, case.outputs, opset=opset)


def test_a_symbolic_batch_survives():
    net = _convolution()
    x = np.random.RandomState(0).standard_normal((3, 5, 5, 2)).astype(np.float32)
    model = caffe2_to_onnx(net, None, inputs={"x": (1, ["batch", 5, 5, 2])}, opset=None, names="caffe2")
    assert model.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    runner = OnnxRuntimeRunner(model, threads=1)
    whole = runner.run({"x": x})["y"]
    assert np.array_equal(whole[1:], runner.run({"x": x[1:]})["y"])


def _convolution(**arguments: object) -> NetDef:
    scale = {"Y_scale": 0.05, "Y_zero_point": 128}
    net = net_of(
        ("Int8GivenIntTensorFill", "", "b", {"shape": [3], "values": [100, -100, 0]}),
        ("Int8GivenTensorFill", "", "w", {"shape": [3, 2, 2, 2], **scale}),
        ("Int8Quantize", "x", "q", scale),
        ("Int8Conv", "q w b", "y", {"kernel": 2, "order": "NHWC", **scale, **arguments}),
    )
    net.op[1].arg.add(name="values", s=bytes(range(100, 124)))
    return net


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"order": "NCHW"}, "order"),
        ({"Y_scale": 0.001}, "Y_scale"),
        ({"Y_zero_point": 300}, "Y_zero_point=300"),
        ({"kernel": 7}, r"kernel|weight"),
    ],
)
def test_what_caffe2_refuses_is_refused_by_name(arguments: dict[str, object], reason: str):
    with pytest.raises(ConvertError, match=f"Int8Conv that makes 'y'.*{reason}"):
        caffe2_to_onnx(_convolution(**arguments), None, inputs={"x": (1, [1, 5, 5, 2])}, opset=None)


def test_an_opset_without_quantized_operators_is_refused():
    with pytest.raises(ConvertError, match=r"opset 9 cannot express .*Int8Quantize"):
        caffe2_to_onnx(_convolution(), None, inputs={"x": (1, [1, 5, 5, 2])}, opset=9)


def test_integers_of_unknown_scale_are_refused():
    net = net_of(("Int8Dequantize", "x", "y"))
    with pytest.raises(ConvertError, match="'x_0' is no int8 tensor of known scale"):
        caffe2_to_onnx(net, None, inputs={"x": (TensorProto.UINT8, [2])}, opset=None)


def test_another_engines_arithmetic_is_refused():
    net = _convolution()
    net.op[3].engine = "DNNLOWP"
    with pytest.raises(ConvertError, match="Int8Conv that makes 'y': engine 'DNNLOWP'"):
        caffe2_to_onnx(net, None, inputs={"x": (1, [1, 5, 5, 2])}, opset=None)


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        ({}, (0, 0)),
        ({"adj": 1}, (1, 1)),
        ({"adjs": [1, 0]}, (1, 0)),
        ({"adj_h": 0, "adj_w": 1}, (0, 1)),
        # as in Caffe2, one of the two alone counts for nothing
        ({"adj_h": 1}, (0, 0)),
        ({"adj_w": 1}, (0, 0)),
    ],
)
def test_adjustments_of_a_transposed_convolution_enlarge_the_image(arguments: dict[str, object], more: tuple[int, int]):
    (case,) = [case for case in operator_cases() if case.operator == "Int8ConvTranspose"]
    net = NetDef()
    net.CopyFrom(case.net)
    (op,) = [op for op in net.op if op.type == "Int8ConvTranspose"]
    for name, value in arguments.items():
        add_argument(op, name, value)
    expected = interpret(net, None, case.inputs)["f"]
    plain = interpret(case.net, None, case.inputs)["f"]
    assert expected.shape[1:3] == (plain.shape[1] + more[0], plain.shape[2] + more[1])
    np.testing.assert_array_equal(run_converted(net, case.inputs)["f"], expected)
