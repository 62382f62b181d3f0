"""The lowest opset of each translator is what ONNX's schemas allow, and its form there computes what the net does."""

from functools import cache

import numpy as np
import onnx
import pytest
from onnx.helper import np_dtype_to_tensor_dtype

from tests.caffe2_cases import operator_cases
from tests.caffe2_cases.case import OperatorCase, case
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.convert.registry import translators
from zoosmith.convert.translation import LOWEST_OPSET
from zoosmith.validation import Caffe2Onnx, Caffe2Worker, OnnxRuntimeRunner, ReferenceRunner, ValidationError, interpret

DATA = np.random.default_rng(5)
X = DATA.standard_normal((2, 3, 4)).astype(np.float32)

# what translates at the lowest opset where the cases of `tests/caffe2_cases` need more
SIMPLER = [
    case("Moments", X, outputs=2, axes=[0, 1]),
    case("SumInt", np.int32([1, 2]), label="SumInt of one"),
    case("NumpyTile", X, np.int32([1, 2, 3]), parameters=1),
    case("Expand", X[:, :1], np.int64([1, 5, 1]), parameters=1),
    case("ScatterAssign", X[0], np.int64([2, 0]), X[1, :2], parameters=2),
]

_TOP_K = "TopK of a computed number, sorted, and of the smallest"
_SCATTER_ND = "ScatterND adds since 16"
_LARGEST = "ScatterND chooses the largest since 18"
_ROUND = "Round, but for scales that need none"
# translators whose lowest opset is above that of the operators it writes, and why
HIGHER = {
    "BBoxTransform": _TOP_K,
    "CollectAndDistributeFpnRpnProposals": _TOP_K,
    "CollectRpnProposals": _TOP_K,
    "DistributeFpnProposals": _TOP_K,
    "If": "with a condition that is known, one branch of any opset",
    "RecurrentNetwork": "ONNX Runtime runs Loop since 7, and onnx's evaluator joins what every step makes",
    "SegmentIdsToLengths": "Max takes integers since 12",
    "UpsampleBilinear": "Resize keeps the corners since 11",
    **dict.fromkeys(("LengthsMax", "SparseLengthsMax"), _LARGEST),
    **dict.fromkeys(
        (kind for kind in translators() if "Lengths" in kind or "Segment" in kind if kind.endswith(("Sum", "Mean"))),
        _SCATTER_ND,
    ),
    **dict.fromkeys((kind for kind in translators() if "Rowwise" in kind and "SparseLengths" in kind), _SCATTER_ND),
    "ScatterAssign": "known places; others choose the last since 18",
    **dict.fromkeys(("Int8Conv", "Int8ConvRelu", "Int8ConvTranspose", "Int8FC"), _ROUND),
    **dict.fromkeys(("Int8GivenTensorFill", "Int8GivenIntTensorFill"), _ROUND),
    **dict.fromkeys(("Int8Quantize", "Int8Dequantize"), _ROUND),
}
CASES = [one for one in [*operator_cases(), *SIMPLER] if one.operator in translators()]


def translated(given: OperatorCase, opset: int) -> onnx.ModelProto:
    info = {blob: (np_dtype_to_tensor_dtype(x.dtype), x.shape) for blob, x in given.inputs.items()}
    return caffe2_to_onnx(given.net, given.parameters, inputs=info, opset=opset, names="caffe2")


@cache
def first_versions() -> dict[str, int]:
    """The opset that each operator of ONNX came with, experiments left out."""
    common = onnx.defs.OpSchema.SupportType.COMMON
    found: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.domain and schema.support_level == common:
            found[schema.name] = min(schema.since_version, found.get(schema.name, 99))
    return found


def schemas_allow(given: OperatorCase, opset: int) -> int | None:
    """The opset that the operators of a case's model came with; None where it needs more than `opset`."""
    try:
        model = translated(given, opset)
    except ConvertError:
        return None
    return max([first_versions()[node.op_type] for node in model.graph.node], default=1)


@pytest.mark.parametrize("kind", sorted(translators()))
def test_the_lowest_opset_is_that_of_the_operators_that_are_written(kind: str) -> None:
    lowest = max(translators()[kind].since, LOWEST_OPSET)
    found = [schemas_allow(one, lowest) for one in CASES if one.operator == kind]
    allowed = [each for each in found if each is not None]
    if kind in HIGHER:
        assert not allowed or max(min(allowed), LOWEST_OPSET) <= lowest
    else:
        assert allowed, "no case translates there"
        assert max(min(allowed), LOWEST_OPSET) == lowest


def test_only_translators_of_a_higher_opset_have_a_reason() -> None:
    assert HIGHER.keys() <= translators().keys()


def assert_same(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray]) -> None:
    for (name, value), found in zip(expected.items(), actual.values(), strict=True):
        assert (found.dtype, found.shape) == (value.dtype, value.shape), name
        tolerance = {"rtol": 1e-3, "atol": 1e-4} if value.dtype.kind == "f" else {"rtol": 0.0, "atol": 0.0}
        np.testing.assert_allclose(found, value, err_msg=name, **tolerance)


def assert_computes(given: OperatorCase, opset: int) -> None:
    try:
        model = translated(given, opset)
    except ConvertError as refusal:
        assert f"opset {opset} cannot express" in str(refusal) and ": " in str(refusal).partition("(")[2]
        return
    assert model.opset_import[0].version == opset
    onnx.checker.check_model(model, full_check=True)
    runner = ReferenceRunner(model) if opset < 7 else OnnxRuntimeRunner(model, threads=1)
    actual = runner.run(given.inputs)
    assert_same(interpret(given.net, given.parameters, given.inputs), actual)


@pytest.mark.parametrize("opset", [3, 6, pytest.param(4, marks=pytest.mark.slow), 7])
@pytest.mark.parametrize("given", CASES, ids=str)
def test_below_8_an_operator_is_refused_with_a_reason_or_computes_what_the_net_does(
    given: OperatorCase, opset: int
) -> None:
    assert_computes(given, opset)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [5, 8, 9])
@pytest.mark.parametrize("given", CASES, ids=str)
def test_at_more_opsets_too(given: OperatorCase, opset: int) -> None:
    assert_computes(given, opset)


@pytest.mark.caffe2
@pytest.mark.parametrize("opset", [3, 6])
def test_the_onnx_backend_of_caffe2_agrees_below_7(opset: int, caffe2_worker: Caffe2Worker) -> None:
    compared = 0
    for given in CASES:
        try:
            model = translated(given, opset)
            actual = Caffe2Onnx(model, worker=caffe2_worker).run(given.inputs)
        except (ConvertError, ValidationError):  # it lacks some operators, and the names of types in Cast
            continue
        assert_same(interpret(given.net, given.parameters, given.inputs), actual)
        compared += 1
    assert compared >= 230
