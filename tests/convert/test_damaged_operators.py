"""A wrong net is refused in one line that names the operator; a bug of our own is never reported as a wrong net."""

from collections.abc import Iterator

import numpy as np
import pytest
from onnx import TensorProto
from onnx.helper import np_dtype_to_tensor_dtype

from tests.caffe2_cases import operator_cases
from tests.caffe2_cases.case import OperatorCase, fill
from tests.validation.caffe2_nets import net_of, single
from zoosmith.convert import ConvertError, caffe2_to_onnx, translation
from zoosmith.convert.operator import Operator
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef
from zoosmith.convert.registry import translators

Info = dict[str, tuple[int, list[int | str | None]]]
CASES = [case for case in operator_cases() if case.operator in translators()]


def damaged_arguments(argument: Argument) -> Iterator[Argument]:
    for integer in (-7, -1, 0, 2, 99, 2**40) if argument.HasField("i") else ():
        yield Argument(name=argument.name, i=integer)
    for number in (-1.0, 0.0, 3e38, float("nan"), float("inf")) if argument.HasField("f") else ():
        yield Argument(name=argument.name, f=number)
    if argument.HasField("s"):
        yield Argument(name=argument.name, s=b"nonsense")
    count = len(argument.ints)
    for integers in ([], [99], [-9] * count, [*argument.ints, 1], [0] * count) if count else ():
        yield Argument(name=argument.name, ints=integers)
    if argument.floats:
        yield Argument(name=argument.name, floats=argument.floats[:1])


def damaged_inputs(elem_type: int, shape: list[int]) -> Iterator[tuple[int, list[int | str | None]]]:
    rank = len(shape)
    shapes: list[list[int | str | None]] = [[], [*shape[1:]], [1, *shape], [0] * rank, ["n"] * rank, [None] * rank]
    for other in [*shapes, [size + 1 for size in shape]]:
        yield elem_type, other
    for other_type in (TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL, TensorProto.FLOAT16):
        yield other_type, [*shape]


def variants(case: OperatorCase) -> Iterator[tuple[NetDef, Info]]:
    """The net of a case with one argument, one input or the outputs of its operator changed."""
    shapes = {blob: (np_dtype_to_tensor_dtype(x.dtype), list(x.shape)) for blob, x in case.inputs.items()}
    info: Info = {blob: (elem_type, [*shape]) for blob, (elem_type, shape) in shapes.items()}
    (place, *_) = [n for n, op in enumerate(case.net.op) if op.type == case.operator]

    def copy() -> NetDef:
        net = NetDef()
        net.CopyFrom(case.net)
        return net

    for n, argument in enumerate(case.net.op[place].arg):
        net = copy()
        del net.op[place].arg[n]
        yield net, info
        for other in damaged_arguments(argument):
            net = copy()
            net.op[place].arg[n].CopyFrom(other)
            yield net, info
    for blob, (elem_type, shape) in shapes.items():
        for changed in damaged_inputs(elem_type, shape):
            yield copy(), {**info, blob: changed}
    for outputs in ([], list(case.net.op[place].output)[:1], [*case.net.op[place].output, "more"]):
        net = copy()
        del net.op[place].output[:]
        net.op[place].output.extend(outputs)
        yield net, info


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_damaged_operator_is_translated_or_refused_never_an_internal_error(case: OperatorCase) -> None:
    for net, info in variants(case):
        try:
            caffe2_to_onnx(net, case.parameters, inputs=info, opset=None)
        except ConvertError as refusal:
            assert "\n" not in str(refusal)


def test_an_operator_of_too_many_or_too_few_inputs_is_refused_before_its_translator_is_called() -> None:
    for read in ("x", "x x x"):
        with pytest.raises(ConvertError, match=r"Add that makes 'y': it has [13] inputs, expected 2"):
            caffe2_to_onnx(net_of(("Add", read, "y")), None, inputs={"x": (1, [2])})
    with pytest.raises(ConvertError, match="Conv that makes 'y': it has 1 inputs, expected 2 or 3"):
        caffe2_to_onnx(net_of(("Conv", "x", "y")), None, inputs={"x": (1, [1, 1, 2, 2])})
    with pytest.raises(ConvertError, match="WeightedSum that makes 'y': it has 1 inputs, expected 2 or more"):
        caffe2_to_onnx(net_of(("WeightedSum", "x", "y")), None, inputs={"x": (1, [2])})


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        ([("Relu", "x", ""), ("Relu", "x", "y")], "Relu that makes nothing: it has no output"),
        ([("ResizeNearest", "x", "y", {"width_scale": 3e38})], None),
        ([("ConstantFill", "", "y", {"value": float("inf"), "dtype": 10})], "value=inf is no number of type int64"),
        ([("ConstantFill", "", "y", {"value": float("nan"), "dtype": 2})], "value=nan is no number of type int32"),
        ([("ConstantFill", "", "y", {"value": 300, "dtype": 7})], "value=300 is no number of type int8"),
        ([("AveragePool", "x", "y", {"kernel": 2**62 - 1, "pad": -(2**63)})], "would have the size -"),
        ([("Reshape", "x x", "y s")], "the blob of its new shape has 4 dimensions, expected 1"),
        (
            [("GivenTensorFill", "", "s", {"values": [2.0], "shape": []}), ("ResizeNearest", "x s", "y")],
            r"the input of scales '.*' has shape \[\], expected \[2\]",
        ),
    ],
    ids=[
        "no output",
        "huge scale",
        "infinite integer",
        "integer that is none",
        "large int8",
        "size beyond 64 bits",
        "shape of an image",
        "scales that are one number",
    ],
)
def test_what_fuzzing_found(operators: list[tuple], message: str | None) -> None:
    net = net_of(*operators)
    if message is None:
        assert caffe2_to_onnx(net, None, inputs={"x": (1, [1, 3, 8, 8])}, opset=None).graph.node
        return
    with pytest.raises(ConvertError, match=message):
        caffe2_to_onnx(net, None, inputs={"x": (1, [1, 3, 8, 8])}, opset=None)


@pytest.mark.parametrize(
    ("kind", "arguments", "reason"),
    [
        ("PadImage", {"mode": 3}, "argument 'mode' holds i, expected a string"),
        ("PadImage", {"value": "0"}, "argument 'value' holds s, expected a float"),
        ("Softmax", {"axis": 1.0}, "argument 'axis' holds f, expected an integer"),
    ],
)
def test_an_argument_of_another_type_is_refused(kind: str, arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(ConvertError, match=f"{kind} that makes 'y': {reason}"):
        caffe2_to_onnx(net_of((kind, "x", "y", arguments)), None, inputs={"x": (1, [1, 1, 4, 4])}, opset=11)


@pytest.mark.parametrize("kind", ["MaxPool", "LpPool"])
def test_a_pool_of_windows_after_the_input_is_refused_where_caffe2_reads_beyond_it(kind: str) -> None:
    net = net_of((kind, "x", "y", {"kernel": 2, "stride": 3, "legacy_pad": 3}))
    with pytest.raises(ConvertError, match=f"{kind} that makes 'y': argument legacy_pad=3 with a last window after"):
        caffe2_to_onnx(net, None, inputs={"x": (1, [1, 1, 8, 9])}, opset=11)


@pytest.mark.parametrize(
    "error", [ValueError, OverflowError, TypeError, IndexError, KeyError, ZeroDivisionError, AttributeError]
)
def test_a_bug_in_a_translator_is_no_fault_of_the_net(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(op: Operator) -> None:
        raise error("a bug")

    known = translators()
    monkeypatch.setattr(translation, "translators", lambda: {**known, "Relu": known["Relu"]._replace(translate=broken)})
    with pytest.raises(error, match="a bug"):
        caffe2_to_onnx(net_of(("Relu", "x", "y")), None, inputs={"x": (1, [2])})


_HUGE = 2**40


@pytest.mark.parametrize(
    ("operator", "arguments", "arrays"),
    [
        ("ConstantFill", {"input_as_shape": 1}, [np.int64([2**20, 2**20])]),
        ("RangeFill", {"shape": [_HUGE]}, []),
        ("DiagonalFill", {"shape": [2**20, 2**20]}, []),
        ("OneHot", {}, [np.int64([1]), np.int64([_HUGE])]),
        ("TopK", {"k": _HUGE}, [np.ones((2, 3), np.float32)]),
        ("PackSegments", {"max_length": _HUGE}, [np.int32([1]), np.ones((1, 2), np.float32)]),
        ("RoIAlignRotated", {"pooled_h": _HUGE}, [np.ones((1, 1, 2, 2), "f"), np.ones((1, 6), "f")]),
    ],
)
def test_a_number_in_a_net_makes_no_constant_that_fills_the_memory(
    operator: str, arguments: dict[str, object], arrays: list[np.ndarray]
) -> None:
    net, inputs = single(operator, arguments, arrays, 3 if operator == "TopK" else 1)
    init = NetDef(name="init")
    for blob, array in inputs.items():
        init.op.extend(fill(blob, array).op)
    with pytest.raises(
        ConvertError, match=r"takes more than|would take a constant|are made of one number|expected 1 to"
    ):
        caffe2_to_onnx(net, init, inputs={}, opset=17)


@pytest.mark.parametrize("shape", [[], [1, 2]])
def test_a_shape_or_lengths_of_another_rank_are_refused(shape: list[int]) -> None:
    given = fill("s", np.ones(shape, np.int64))
    with pytest.raises(ConvertError, match=f"{len(shape)} dimensions, expected 1"):
        caffe2_to_onnx(net_of(("ConstantFill", "s", "y", {"input_as_shape": 1})), given, inputs={})
    given.op.extend(fill("x", np.ones((2, 2), np.float32)).op)
    with pytest.raises(ConvertError, match=f"{len(shape)} dimensions, expected 1"):
        caffe2_to_onnx(net_of(("Split", "x s", "y z", {"axis": 0})), given, inputs={})


def test_a_number_beyond_its_element_type_and_an_axis_beyond_the_rank_are_refused() -> None:
    net = net_of(("Clip", "x", "y", {"min": 3e38, "max": -3e38}))
    with pytest.raises(ConvertError, match=r"3\.\d*e\+38 is no number of the type of 'x_0', int64"):
        caffe2_to_onnx(net, None, inputs={"x": (TensorProto.INT64, [2])}, opset=None)
    with pytest.raises(ConvertError, match="'x_0' has 0 dimensions, no axis 1 for the slope"):
        caffe2_to_onnx(net_of(("PRelu", "x s", "y")), None, inputs={"x": (1, []), "s": (1, [])}, opset=None)


@pytest.mark.parametrize(
    ("kind", "arguments", "reason"),
    [
        ("LpPool", {"kernel": 2, "p": 3e38}, r"argument p=3\.\d*e\+38: ONNX knows whole numbers from 1 on, of 64 bits"),
        ("LpPool", {"kernel": 2, "p": 0.5}, r"argument p=0\.5: ONNX knows whole numbers from 1 on"),
    ],
)
def test_a_number_beyond_its_range_is_named(kind: str, arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(ConvertError, match=f"{kind} that makes 'y': {reason}"):
        caffe2_to_onnx(net_of((kind, "x", "y", arguments)), None, inputs={"x": (1, [1, 1, 4, 4])}, opset=11)


def test_a_fill_of_a_shape_that_the_net_computes_needs_opset_9() -> None:
    net = net_of(("ConstantFill", "x", "y", {"input_as_shape": 1, "value": 2.0}))
    with pytest.raises(
        ConvertError, match=r"opset 8 cannot express ConstantFill \(opset 9: ONNX has had ConstantOfShape"
    ):
        caffe2_to_onnx(net, None, inputs={"x": (TensorProto.INT64, [2])}, opset=8)
    (node,) = caffe2_to_onnx(net, None, inputs={"x": (TensorProto.INT64, [2])}, opset=9).graph.node
    assert node.op_type == "ConstantOfShape"
