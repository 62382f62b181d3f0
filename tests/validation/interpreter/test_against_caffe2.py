"""The interpreter against the real Caffe2: DenseNet-121, random arguments of every family, random names and aliases."""

from collections import Counter

import numpy as np
import pytest

from tests.shared_data import SHARED, needs_shared
from tests.validation.caffe2_fuzz import FAMILIES
from tests.validation.caffe2_nets import add_argument, single
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import Caffe2Runner, NetInterpreter, ValidationError, interpret

pytestmark = pytest.mark.caffe2
COUNT = 200
# has no implementation on a CPU; its numbers are worked out by hand in `test_every_kernel.py`
NOT_IN_CAFFE2 = {"SparseLengthsMax"}


def run_both(net, inputs, worker):
    """What the real Caffe2 and the interpreter give: blobs by name, or the reason of a refusal."""
    runner = None
    try:
        runner = Caffe2Runner(net, worker=worker)
        expected = runner.run(inputs)
    except ValidationError as refusal:
        expected = refusal
    finally:
        if runner is not None:
            runner.close()
    try:
        return expected, interpret(net, None, inputs)
    except ValidationError as refusal:
        return expected, refusal


def assert_same(expected, actual):
    for name, value in expected.items():
        assert (actual[name].dtype, actual[name].shape) == (value.dtype, value.shape)
        if value.dtype.kind == "f":
            np.testing.assert_allclose(actual[name], value, rtol=1e-3, atol=1e-5)
        else:
            np.testing.assert_array_equal(actual[name], value)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_arguments_mean_what_they_mean_in_caffe2(family, caffe2_worker):
    random = np.random.RandomState(7)
    generated, compared = Counter[str](), Counter[str]()
    for _ in range(COUNT):
        case = FAMILIES[family](random)
        net, inputs = single(*case)
        generated[case[0]] += 1
        described = f"{case[0]} {case[1]} {[(x.shape, x.dtype.name) for x in case[2]]}"
        expected, actual = run_both(net, inputs, caffe2_worker)
        if isinstance(expected, ValidationError):
            continue
        assert not isinstance(actual, ValidationError), f"Caffe2 runs {described}: {actual}"
        try:
            assert_same(expected, actual)
        except AssertionError as difference:
            raise AssertionError(f"{described}: {difference}") from None
        compared[case[0]] += 1
    # without this an operator that Caffe2 always refuses would pass
    assert set(generated) - set(compared) <= NOT_IN_CAFFE2, generated - compared
    assert compared.total() > COUNT / 2


def random_net(random):
    """Operators over five names that are overwritten, resized and aliased at will; all of them are outputs."""
    shapes = {"a": (4, 3), "b": (4, 3), "c": (2, 3)}
    net = NetDef(name="names", external_input=list(shapes))
    for name in shapes:
        net.op.add(type="Negative", input=[name], output=[name])
    for _ in range(random.randint(3, 10)):
        read = list(shapes)[random.randint(len(shapes))]
        shape = shapes[read]
        others = [name for name in "abcde" if name != read]
        kinds = ("Relu", "Negative", "Alias", "Alias", "Alias", "Copy", "Add", "Slice", "FlattenToVec", "Concat", "Exp")
        kind = kinds[random.randint(len(kinds))]
        in_place = kind in {"Relu", "Negative"} and random.rand() < 0.4
        written = read if in_place else others[random.randint(4)]
        op = net.op.add(type=kind, input=[read], output=[written])
        if kind == "Add":
            op.input.append(read)
        elif kind == "Slice":
            shape = (max(1, shape[0] // 2), *shape[1:])
            add_argument(op, "starts", [0] * len(shape))
            add_argument(op, "ends", [shape[0]] + [-1] * (len(shape) - 1))
        elif kind == "FlattenToVec":
            shape = (int(np.prod(shape)),)
        elif kind == "Concat":
            shape = (2 * shape[0], *shape[1:])
            op.input.append(read)
            op.output.append("sizes")
            add_argument(op, "axis", 0)
        shapes[written] = shape
    net.external_output.extend(shapes)
    return net


def test_names_and_shared_memory_are_those_of_caffe2(caffe2_worker):
    random = np.random.RandomState(3)
    for _ in range(COUNT):
        net = random_net(random)
        inputs = {"a": random.randn(4, 3), "b": random.randn(4, 3), "c": random.randn(2, 3)}
        expected, actual = run_both(net, {name: x.astype(np.float32) for name, x in inputs.items()}, caffe2_worker)
        assert not isinstance(expected, ValidationError), expected
        try:
            assert_same(expected, actual)
        except AssertionError as difference:
            steps = "; ".join(f"{op.type} {list(op.input)} -> {list(op.output)}" for op in net.op)
            raise AssertionError(f"{steps}: {difference}") from None


@needs_shared
def test_densenet_121_is_what_caffe2_computes(caffe2_worker):
    predict = SHARED / "caffe2_zoo" / "densenet121" / "predict_net.pbtxt"
    init = SHARED / "densenet121" / "init_net.pb"
    interpreter, runner = NetInterpreter(predict, init), Caffe2Runner(predict, init, worker=caffe2_worker)
    for seed in range(2):
        data = np.random.RandomState(seed).randn(1, 3, 224, 224).astype(np.float32)
        expected, actual = runner.run({"data": data})["fc6"], interpreter.run({"data": data})["fc6"]
        assert actual.shape == expected.shape == (1, 1000, 1, 1)
        # Caffe2's own float32 rounding over 121 layers is all that differs.
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * float(expected.std()))
        assert actual.argmax() == expected.argmax()
    runner.close()
