"""Random operators with random arguments: ONNX Runtime, the interpreter and the real Caffe2 agree on each."""

from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from onnx.helper import np_dtype_to_tensor_dtype

from tests.validation.caffe2_fuzz import FAMILIES
from tests.validation.caffe2_nets import add_argument, single
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import Caffe2Runner, Caffe2Worker, OnnxRuntimeRunner, ValidationError, interpret

COUNT = 100
SEED = 1107
Arrays = dict[str, np.ndarray]
# what no ONNX file can hold, and why
REFUSALS = {
    "computed by the net": "an argument that decides shapes is data here",
    "where Caffe2 reads what lies there": "Caffe2's result is what its memory held",
    "skips the borders": "Caffe2 pads by less than nothing",
}
FILLS = {"f": "GivenTensorFill", "b": "GivenTensorBoolFill", "i4": "GivenTensorIntFill", "i8": "GivenTensorInt64Fill"}


def random_cases(family: str, count: int, seed: int = SEED) -> Iterator[tuple[str, NetDef, Arrays]]:
    random = np.random.RandomState(seed)
    for _ in range(count):
        case = FAMILIES[family](random)
        yield (f"{case[0]} {case[1]} {[(x.shape, x.dtype.name) for x in case[2]]}", *single(*case))


def fill(blob: str, value: np.ndarray) -> NetDef:
    net = NetDef()
    kind = FILLS.get(value.dtype.kind) or FILLS[value.dtype.str[1:]]
    op = net.op.add(type=kind, output=[blob])
    op.arg.add(name="shape").ints.extend(value.shape)
    values = value.ravel().tolist()
    if values:
        add_argument(op, "values", [float(v) if value.dtype.kind == "f" else int(v) for v in values])
    return net


def run_converted(net: NetDef, inputs: Arrays, *, parameters: bool = False, symbolic: bool = False) -> Arrays:
    """Run the translation, with `parameters` of a net that fills all inputs but the first itself.

    With `symbolic` the first size of every input has a name instead of a number.
    """
    init, data = NetDef(), dict(inputs)
    if parameters:
        for blob in list(inputs)[1:]:
            init.MergeFrom(fill(blob, data.pop(blob)))
    info = {
        blob: (np_dtype_to_tensor_dtype(x.dtype), ["N", *x.shape[1:]] if symbolic and x.ndim else list(x.shape))
        for blob, x in data.items()
    }
    model = caffe2_to_onnx(net, init, inputs=info, opset=None, names="caffe2")
    onnx.checker.check_model(model, full_check=True)
    return OnnxRuntimeRunner(model, threads=1).run(data)


def assert_same(described: str, expected: Arrays, actual: Arrays) -> None:
    for (name, value), found in zip(expected.items(), actual.values(), strict=True):
        assert (found.dtype, found.shape) == (value.dtype, value.shape), f"{described}: {name}"
        exact = value.dtype.kind in "iub"
        tolerance = {"rtol": 0.0, "atol": 0.0} if exact else {"rtol": 1e-3, "atol": 1e-5}
        np.testing.assert_allclose(found, value, err_msg=f"{described}: {name}", **tolerance)


def expressible(refusal: ConvertError) -> bool:
    return not any(reason in str(refusal) for reason in REFUSALS)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_random_operator_computes_what_the_interpreter_does(family: str):
    compared = 0
    for described, net, inputs in random_cases(family, COUNT // 2):
        try:
            expected = interpret(net, None, inputs)
        except ValidationError:
            continue
        for parameters in [False, True] if len(inputs) > 1 else [False]:
            try:
                actual = run_converted(net, inputs, parameters=parameters)
            except ConvertError as refusal:
                assert not expressible(refusal), f"{described}: {refusal}"
                continue
            assert_same(described, expected, actual)
            compared += 1
    # without this a translator that refuses everything would pass
    assert compared >= COUNT // 4


@pytest.mark.parametrize("family", FAMILIES)
def test_a_symbolic_batch_is_translated_alike_or_refused(family: str):
    for described, net, inputs in random_cases(family, COUNT // 4, SEED + 1):
        try:
            expected = interpret(net, None, inputs)
            actual = run_converted(net, inputs, symbolic=True)
        except (ValidationError, ConvertError):
            continue
        assert_same(described, expected, actual)


@pytest.mark.parametrize(
    ("kind", "arguments", "shapes"),
    [
        ("GroupNorm", {"group": 2}, [(2, 4, 3, 3), (4,), (4,)]),
        ("GroupNorm", {"group": 2, "order": "NHWC"}, [(2, 3, 3, 4), (4,), (4,)]),
        ("ChannelShuffle", {"group": 2}, [(2, 4, 3, 3)]),
        ("LRN", {"size": 4, "alpha": 0.5, "beta": 0.75}, [(2, 4, 3, 3)]),
        ("Softmax", {}, [(2, 4, 1, 1)]),
        ("FC", {}, [(2, 4, 3, 1), (5, 12), (5,)]),
        ("Reshape", {"shape": [0, -1]}, [(2, 4, 3)]),
        ("SpatialBN", {"is_test": 1}, [(2, 3, 4, 4), (3,), (3,), (3,), (3,)]),
        ("ReduceBackMean", {"num_reduce_dim": 2}, [(2, 4, 3)]),
    ],
)
def test_a_symbolic_batch_survives(kind: str, arguments: dict[str, object], shapes: list[tuple[int, ...]]):
    random = np.random.RandomState(SEED)
    arrays = [np.abs(random.randn(*shape)).astype(np.float32) for shape in shapes]
    net, inputs = single(kind, arguments, arrays)
    init = NetDef()
    for blob in list(inputs)[1:]:
        init.MergeFrom(fill(blob, inputs[blob]))
    info = {"i0": (onnx.TensorProto.FLOAT, ["N", *shapes[0][1:]])}
    model = caffe2_to_onnx(net, init, inputs=info, opset=None, names="caffe2")
    assert model.graph.output[0].type.tensor_type.shape.dim[0].dim_param == "N"
    for count in (1, 3):
        data = {**inputs, "i0": np.abs(random.randn(count, *shapes[0][1:])).astype(np.float32)}
        actual = OnnxRuntimeRunner(model, threads=1).run({"i0": data["i0"]})
        assert_same(kind, interpret(net, None, data), actual)


@pytest.mark.parametrize(
    ("kind", "arguments", "inputs", "reason"),
    [
        ("TopK", {"k": 1}, [np.zeros((2, 0), np.float32)], "no elements"),
        ("ArgMax", {}, [np.zeros((2, 0), np.float32)], "no elements"),
        ("ReduceMax", {"axes": [0]}, [np.zeros((0, 3), np.float32)], "no elements"),
        ("ConstantFill", {"input_as_shape": 1}, [np.int64([2]), np.float32([4])], "its value is an input"),
        ("BatchGather", {}, [], "it has 0 inputs, expected 2"),
        ("LpPool", {"kernel": 2, "p": 1.5}, [np.zeros((1, 1, 4, 4), np.float32)], "argument p=1.5"),
        ("Glu", {}, [np.zeros((2, 3), np.float32)], "an even one"),
        ("SpaceToBatch", {"block_size": 3}, [np.zeros((1, 1, 4, 4), np.float32)], "does not divide"),
    ],
)
def test_what_has_no_meaning_in_onnx_is_refused_with_the_reason(kind, arguments, inputs, reason):
    with pytest.raises(ConvertError, match=reason):
        run_converted(*single(kind, arguments, inputs))


@pytest.mark.caffe2
@pytest.mark.parametrize("family", FAMILIES)
def test_caffe2_refuses_what_the_interpreter_refuses_in_these_tests(family: str, caffe2_worker: Caffe2Worker):
    for seed, count in ((SEED, COUNT // 2), (SEED + 1, COUNT // 4)):
        for described, net, inputs in random_cases(family, count, seed):
            try:
                interpret(net, None, inputs)
            except ValidationError as refusal:
                assert caffe2_refuses(net, inputs, caffe2_worker), f"Caffe2 runs {described}: {refusal}"


def caffe2_refuses(net: NetDef, inputs: Arrays, worker: Caffe2Worker) -> bool:
    runner = None
    try:
        runner = Caffe2Runner(net, worker=worker)
        runner.run(inputs)
    except ValidationError:
        return True
    finally:
        if runner is not None:
            runner.close()
    return False


@pytest.mark.caffe2
@pytest.mark.parametrize("family", FAMILIES)
def test_a_random_operator_computes_what_caffe2_does(family: str, caffe2_worker: Caffe2Worker):
    compared = 0
    for described, net, inputs in random_cases(family, COUNT, SEED + 2):
        runner = None
        try:
            runner = Caffe2Runner(net, worker=caffe2_worker)
            expected = runner.run(inputs)
        except ValidationError:
            continue
        finally:
            if runner is not None:
                runner.close()
        try:
            actual = run_converted(net, inputs)
        except ConvertError as refusal:
            assert not expressible(refusal), f"{described}: {refusal}"
            continue
        assert_same(described, expected, actual)
        compared += 1
    assert compared >= COUNT // 3
