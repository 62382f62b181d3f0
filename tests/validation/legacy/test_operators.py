"""The legacy operators against ONNX Runtime, which runs the same meaning from opset 7 on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import numpy_helper

from tests.opset_upgrade.node_cases import cases_by_operator
from tests.validation.single_node import single_node
from zoosmith.validation import OnnxRuntimeRunner, ReferenceRunner, ValidationError, compare
from zoosmith.validation.legacy import legacy_operators
from zoosmith.validation.legacy.registry import IMPLEMENTATIONS

Array = np.ndarray
_RANDOM = np.random.RandomState(5)


def f(*shape: int) -> Array:
    return _RANDOM.standard_normal(shape).astype(np.float32)


def positive(*shape: int) -> Array:
    return np.abs(f(*shape)) + np.float32(0.1)


_UNARY = [
    *("Abs", "Ceil", "Elu", "Exp", "Floor", "HardSigmoid", "LeakyRelu"),
    *("Log", "Neg", "Reciprocal", "Relu", "Sigmoid", "Sqrt", "Tanh"),
]


@dataclass
class Case:
    """A node as old opsets write it, and (where that differs) as opset 7 or a later one does."""

    op: str
    inputs: list[Array | None]
    old: dict[str, Any] = field(default_factory=dict)
    opsets: tuple[int, ...] = (6,)
    modern: dict[str, Any] | None = None
    modern_inputs: list[Array | None] | None = None
    modern_opset: int = 7
    outputs: int = 1

    def __str__(self) -> str:
        words = " ".join(f"{key}={value}" for key, value in self.old.items() if isinstance(value, (int, float, str)))
        return f"{self.op} {words}"


def same(op: str, inputs: list[Array | None], opsets: tuple[int, ...] = (1, 6), **attributes: Any) -> Case:
    return Case(op, inputs, attributes, opsets)


def _elementwise() -> list[Case]:
    hint, x = {"consumed_inputs": [0]}, positive(2, 3, 4)
    cases = []
    for op in [
        "Abs",
        "Ceil",
        "Elu",
        "Exp",
        "Floor",
        "HardSigmoid",
        "LeakyRelu",
        "Log",
        "Neg",
        "Reciprocal",
        "Relu",
        "Sigmoid",
        "Sqrt",
        "Tanh",
    ]:
        value = x if op in ("Log", "Sqrt") else f(2, 3, 4)
        cases += [same(op, [value], (6,)), Case(op, [value], hint, (1, 5), modern={})]
    values = {"alpha": 1.6732, "gamma": 1.0507}
    cases += [same("Selu", [f(3, 4)], (6,)), Case("Selu", [f(3, 4)], hint, (1,), modern=values)]
    cases += [same(op, [f(2, 3)]) for op in ["Softplus", "Softsign", "Identity", "Size", "Shape"]]
    cases += [same("Elu", [f(3, 4)], alpha=0.3), same("HardSigmoid", [f(3, 4)], alpha=0.4, beta=0.3)]
    cases += [
        same("Clip", [f(3, 4)], (1, 6), min=-0.2, max=0.4),
        same("Clip", [f(3, 4)], max=0.1),
        same("Clip", [f(4)]),
    ]
    cases += [same("Not", [f(5) > 0])]
    cases += [Case("PRelu", [f(2, 3, 4), f(3)], {}, (1, 6), modern_inputs=None) for _ in range(1)]
    cases[-1].modern_inputs = [cases[-1].inputs[0], cases[-1].inputs[1][:, None]]  # type: ignore[index]
    cases += [same("PRelu", [f(2, 3, 4), f(1)])]
    return cases


def _broadcast() -> list[Case]:
    a, cases = positive(2, 3, 4), []
    shapes: list[tuple[tuple[int, ...], dict[str, int], Callable[[Array], Array]]] = [
        ((2, 3, 4), {}, lambda b: b),
        ((3, 4), {"broadcast": 1}, lambda b: b),
        ((3,), {"broadcast": 1, "axis": 1}, lambda b: b[:, None]),
        ((2, 3), {"broadcast": 1, "axis": 0}, lambda b: b[:, :, None]),
        ((3, 4), {"broadcast": 1, "axis": -2}, lambda b: b),
        ((), {"broadcast": 1}, lambda b: b),
        ((1, 1), {"broadcast": 1}, lambda b: b),
    ]
    for op in ["Add", "Sub", "Mul", "Div", "Pow"]:
        for shape, attributes, modern in shapes:
            b = positive(*shape)
            cases.append(Case(op, [a, b], attributes, (1, 6), {}, [a, modern(b)]))
    for op in ["And", "Or", "Xor", "Equal", "Greater", "Less"]:
        for shape, attributes, modern in shapes:
            left, right = (a, positive(*shape)) if op in ("Greater", "Less") else (a > 0.8, positive(*shape) > 0.8)
            inputs: list[Array | None] = [left, modern(right)]
            cases.append(Case(op, [left, right], attributes, (1, 6), {}, inputs))
    whole: list[Array | None] = [np.int32([7, -7, 7, -7, 6]), np.int32([2, 2, -2, -2, 3])]
    cases += [same("Div", whole, (6,)), Case("Add", [f(2), f(2)], {"consumed_inputs": [0, 0]}, (1,), {})]
    for op in ["Sum", "Mean", "Max", "Min"]:
        cases += [same(op, [f(3, 4), f(3, 4), f(3, 4)], (6, 7)), same(op, [f(3, 4)], (6,))]
        cases += [Case(op, [f(3), f(3)], {"consumed_inputs": [0, 0]}, (1,), {})]
    return cases


def _windows() -> list[Case]:
    spans: list[dict[str, Any]] = [
        {},
        {"pads": [1, 0, 0, 1], "strides": [2, 2]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 3]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID", "strides": [1, 2]},
    ]
    x, cases = f(2, 4, 9, 8), []
    for span in spans:
        cases.append(same("Conv", [x, f(6, 4, 3, 3), f(6)], **span))
        cases.append(same("ConvTranspose", [x[:, :, :4, :5], f(4, 3, 3, 3), f(6)], group=2, **span))
        cases.append(same("MaxPool", [x], kernel_shape=[3, 2], **span))
        cases.append(same("AveragePool", [x], kernel_shape=[3, 2], **span))
        cases.append(same("LpPool", [x], (2, 6), kernel_shape=[3, 2], p=3, **span))
    cases[3].old = {"kernel_shape": [3, 2]}
    cases += [
        same("Conv", [f(2, 4, 9), f(6, 2, 3), f(6)], group=2),
        same("Conv", [f(2, 4, 9), f(4, 1, 1)], group=4, strides=[2]),
        same("Conv", [f(1, 2, 5, 6, 7), f(3, 2, 2, 2, 2), f(3)]),
        same("Conv", [x, f(6, 4, 3, 3)], dilations=[2, 1], pads=[0, 1, 2, 3], kernel_shape=[3, 3]),
        same("Conv", [x, f(6, 4, 1, 1), f(6)]),
        same("ConvTranspose", [x, f(4, 3, 3, 3)], strides=[2, 2], output_padding=[1, 1], pads=[0, 1, 1, 0]),
        same("ConvTranspose", [x, f(4, 3, 3, 3)], dilations=[2, 1], strides=[1, 2]),
        same("ConvTranspose", [f(1, 2, 4, 5), f(2, 3, 3, 3)], strides=[3, 2], output_shape=[11, 10]),
        Case("LpPool", [x], {"kernel_shape": [2, 2], "p": 2.0}, (1,), {"kernel_shape": [2, 2], "p": 2}),
        Case("GlobalLpPool", [x], {"p": 3.0}, (1,), {"p": 3}),
        same("GlobalLpPool", [x], (2, 6), p=1),
        same("GlobalAveragePool", [x]),
        same("GlobalMaxPool", [x]),
        same("GlobalMaxPool", [f(2, 3, 4)]),
        same("GlobalMaxPool", [f(2, 3, 4, 2, 3)]),
        same("MaxRoiPool", [f(2, 3, 12, 13), np.float32([[0, 0, 0, 5, 7], [1, 2, 3, 11, 10]])], pooled_shape=[3, 2]),
        same("MaxRoiPool", [x, np.float32([[1, 1, 2, 15, 30]])], pooled_shape=[2, 4], spatial_scale=0.5),
    ]
    for op in ("LRN",):
        cases += [same(op, [f(2, 6, 4, 3)], size=n, alpha=0.3, beta=0.6, bias=1.5) for n in (1, 3, 5, 9)]
    return cases


def _normalizations() -> list[Case]:
    statistics: list[Array | None] = [f(3, 4, 5, 6), f(4), f(4), f(4), positive(4)]
    whole: list[Array | None] = [f(3, 4, 5), f(4, 5), f(4, 5), f(4, 5), positive(4, 5)]
    hint, test = {"consumed_inputs": [0, 0, 0, 1, 1]}, {"is_test": 1, "epsilon": 1e-3}
    cases = [
        Case("BatchNormalization", statistics, {**test, **hint}, (1, 5), {"epsilon": 1e-3}),
        Case("BatchNormalization", statistics, test, (6,), {"epsilon": 1e-3}),
        Case("BatchNormalization", whole, {**test, "spatial": 0}, (6,), {"epsilon": 1e-3, "spatial": 0}),
        Case("BatchNormalization", statistics, {}, (7, 9, 13), {}, modern_opset=9),
        Case("InstanceNormalization", [f(2, 3, 4, 5), f(3), f(3)], {"consumed_inputs": [0]}, (1,), {"epsilon": 1e-5}),
        same("InstanceNormalization", [f(2, 3, 4, 5), f(3), f(3)], (6,)),
        Case("Dropout", [f(3, 4)], {"is_test": 1, "consumed_inputs": [0]}, (1,), {}),
        Case("Dropout", [f(3, 4)], {"is_test": 1}, (6,), {}),
        same("Dropout", [f(3, 4)], (7, 10), ratio=0.3),
        same("LpNormalization", [f(3, 4)], p=1, axis=0),
        same("LpNormalization", [f(3, 4)]),
    ]
    for op in ["Softmax", "LogSoftmax", "Hardmax"]:
        cases += [same(op, [f(2, 3, 4, 5)], (1, 6, 12), axis=axis) for axis in range(4)]
        cases += [same(op, [f(2, 3, 4)]), Case(op, [f(2, 3, 4)], {"axis": -1}, (11, 12), modern_opset=11)]
    return cases


def _shapes() -> list[Case]:
    x = f(4, 6)
    cases = [
        Case("Cast", [x * 5], {"to": "INT32"}, (1, 5), {"to": 6}),
        Case("Cast", [x], {"to": "BOOL"}, (1,), {"to": 9}),
        Case("Cast", [x * 5], {"to": 7}, (6,)),
        Case("Concat", [f(2, 3), f(2, 4)], {}, (1, 3), {"axis": 1}),
        same("Concat", [f(2, 3), f(4, 3)], (1, 4, 6), axis=0),
        Case("Reshape", [f(2, 3, 4)], {"shape": [0, -1]}, (1, 4), {}, [None]),
        Case("Reshape", [f(1)], {}, (1,), {}, [None]),
        same("Reshape", [f(2, 3, 4), np.int64([0, -1])], (5, 6)),
        Case("Split", [x], {}, (1,), outputs=2),
        Case("Split", [x], {"axis": 1, "split": [1, 2, 3]}, (1, 2, 6), outputs=3),
        Case("Split", [x, np.float32([1, 3])], {"axis": 0}, (1,), {"split": [1, 3]}, [x], outputs=2),
        Case("Split", [x], {"axis": 1}, (2, 6), outputs=3),
        Case("Tile", [f(2, 3), np.float32([3]), np.float32([1])], {}, (1, 5), {}, [None]),
        same("Tile", [f(2, 3), np.int64([2, 3])], (6,)),
        Case("TopK", [f(4, 5, 6)], {"k": 2, "axis": 1}, (1, 6), outputs=2),
        Case("TopK", [np.float32([[1, 3, 3, 2], [5, 5, 1, 5]])], {"k": 3}, (1,), outputs=2),
        Case("Pad", [f(3, 4, 5)], {"pads": [-1, 0, 2, 0, -2, 1]}, (2, 6)),
        Case(
            "Upsample", [f(1, 2, 3, 4)], {"height_scale": 2.0, "width_scale": 3.0}, (1, 6), {"scales": [1.0, 1, 2, 3]}
        ),
        same("Flatten", [f(2, 3, 4)]),
        same("Flatten", [f(2, 3, 4)], axis=0),
        same("Flatten", [f(2, 3, 4)], axis=3),
        same("Transpose", [f(2, 3, 4)]),
        same("Transpose", [f(2, 3, 4)], perm=[1, 0, 2]),
        same("Squeeze", [f(1, 3, 1)]),
        same("Squeeze", [f(1, 3, 1)], axes=[2]),
        same("Unsqueeze", [f(3, 4)], axes=[0, 3]),
        same("Slice", [x], starts=[1, -3], ends=[100, -1]),
        same("Slice", [x], starts=[0], ends=[-2], axes=[1]),
        same("Gather", [x, np.int64([[0, 2], [1, 3]])], axis=1),
        same("DepthToSpace", [f(1, 8, 2, 3)], blocksize=2),
        same("SpaceToDepth", [f(1, 2, 4, 6)], blocksize=2),
        same("MatMul", [f(2, 3, 4), f(2, 4, 5)]),
        same("Constant", [], value=numpy_helper.from_array(f(2, 3))),
    ]
    # the second form's inputs that opset 7 takes where the first has attributes
    cases[5].modern_inputs = [cases[5].inputs[0], np.int64([0, -1])]
    cases[6].modern_inputs = [cases[6].inputs[0], np.zeros(0, np.int64)]
    cases[12].modern_inputs = [cases[12].inputs[0], np.int64([1, 3])]
    for mode in ("constant", "reflect", "edge"):
        attributes = {"mode": mode, "value": 1.5}
        old, new = ({name: [1, 0, 2, 0, 2, 1], **attributes} for name in ("paddings", "pads"))
        cases += [Case("Pad", [f(3, 4, 5)], old, (1,), new), Case("Pad", [f(3, 4, 5)], new, (2, 6, 10))]
    for scales in ([1.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.6, 2.3]):
        bilinear = {"mode": "bilinear", "height_scale": scales[2], "width_scale": float(scales[3])}
        cases += [Case("Upsample", [f(1, 2, 3, 4)], bilinear, (1,), {"scales": scales, "mode": "linear"})]
        cases += [same("Upsample", [f(1, 2, 3, 4)], (7, 8), scales=scales, mode=mode) for mode in ("nearest", "linear")]
        cases += [Case("Upsample", [f(1, 2, 3, 4), np.float32(scales)], {"mode": "linear"}, (9,), modern_opset=9)]
    for name in ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"]:
        spans: list[dict[str, Any]] = [{}, {"axes": [0, 2], "keepdims": 0}, {"axes": [1]}]
        cases += [same(f"Reduce{name}", [positive(2, 3, 4)], **span) for span in spans]
    for op in ("ArgMax", "ArgMin"):
        cases += [Case(op, [f(2, 3, 4)], {"axis": 1, "keepdims": 0}, (1, 6))]
    for a, b, attributes in ((f(3, 4), f(5, 4), {"transB": 1}), (f(4, 3), f(4, 5), {"transA": 1})):
        attributes |= {"alpha": 0.5, "beta": 2.0}
        cases += [Case("Gemm", [a, b, f(5)], {"broadcast": 1, **attributes}, (1, 6), attributes)]
        cases += [Case("Gemm", [a, b, f(3, 5)], attributes, (1, 6))]
    return cases


def _recurrent() -> list[Case]:
    cases = []
    for op, gates, functions, outputs in (("LSTM", 4, 3, 3), ("GRU", 3, 2, 2), ("RNN", 1, 1, 2)):
        for direction, n in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
            base: list[Array | None] = [f(5, 3, 4), f(n, gates * 6, 4), f(n, gates * 6, 6)]
            full = [*base, f(n, 2 * gates * 6), np.int32([5, 2, 3]), f(n, 3, 6)]
            full += [f(n, 3, 6), f(n, 18)] if op == "LSTM" else []
            common = {"direction": direction, "hidden_size": 6}
            scaled = {"activation_alpha": [0.3, 0.4, 0.5][:functions] * n, "activation_beta": [0.2] * n}
            names = {
                "LSTM": ["HardSigmoid", "Affine", "Elu"],
                "GRU": ["HardSigmoid", "LeakyRelu"],
                "RNN": ["ScaledTanh"],
            }
            variants: list[tuple[list[Array | None], dict[str, Any], int]] = [
                (base, {}, 1),
                (full, {}, 1),
                (full, {"clip": 0.3}, 1),
                (full, {"activations": names[op] * n, **scaled}, 1),
            ]
            variants += [(full, {"input_forget": 1}, 1)] if op == "LSTM" else []
            variants += [(full, {"linear_before_reset": 1}, 3)] if op == "GRU" else []
            for inputs, extra, first in variants:
                old = {**common, "output_sequence": 1, **extra}
                cases += [Case(op, inputs, old, (first, 6), {**common, **extra}, outputs=outputs)]
                cases += [Case(op, inputs, {**common, **extra}, (7, 14), outputs=outputs)]
    return cases


CASES = [*_elementwise(), *_broadcast(), *_windows(), *_normalizations(), *_shapes(), *_recurrent()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_old_version_gives_what_onnx_runtime_gives_for_its_modern_form(case: Case):
    modern = case.old if case.modern is None else case.modern
    inputs = case.inputs if case.modern_inputs is None else case.modern_inputs
    model, values = single_node(case.op, inputs, case.modern_opset, outputs=case.outputs, **modern)
    expected = OnnxRuntimeRunner(model, threads=1).run(values)
    for opset in case.opsets:
        model, values = single_node(case.op, case.inputs, opset, outputs=case.outputs, **case.old)
        context = onnx.checker.C.CheckerContext()
        context.ir_version, context.opset_imports = model.ir_version, {"": opset}
        onnx.checker.check_node(model.graph.node[0], context)
        result = compare(expected, ReferenceRunner(model).run(values))
        assert result.passed, f"opset {opset}: {result}"


def test_every_operator_of_opset_6_and_below_has_a_case():
    # random numbers have no expected value; control flow is tested with the runners
    uncomparable = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "If", "Loop"}
    old = {s.name for s in onnx.defs.get_all_schemas_with_history() if s.domain == "" and s.since_version < 7}
    assert old - uncomparable <= {case.op for case in CASES}


def test_every_implementation_has_a_case_at_an_opset_that_it_serves():
    without = {
        key: entry
        for key, entry in IMPLEMENTATIONS.entries().items()
        if not any(
            case.op == key[0] and key[1] <= opset and (entry.last is None or opset <= entry.last)
            for case in CASES
            for opset in case.opsets
        )
    }
    assert not without


@pytest.mark.parametrize("opset", range(1, onnx.defs.onnx_opset_version() + 1))
def test_each_opset_has_one_implementation_of_an_operator_at_most(opset: int):
    names = [operator.__name__ for operator in legacy_operators(opset)]
    assert len(names) == len(set(names))


def _refusal(op: str, inputs: list[Array | None], opset: int, **attributes: Any) -> str:
    model, values = single_node(op, inputs, opset, **attributes)
    with pytest.raises(ValidationError) as caught:
        ReferenceRunner(model).run(values)
    assert "\n" not in str(caught.value) and f"{op}-" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("shape", "attributes", "words"),
    [
        ((4,), {}, "broadcast is not set"),
        ((3, 1, 1), {"broadcast": 1}, "no contiguous part"),  # what a downgraded opset-7 model would hold
        ((3,), {"broadcast": 1}, "no contiguous part"),
        ((4,), {"broadcast": 1, "axis": 2}, "no contiguous part"),
    ],
)
def test_a_second_operand_that_old_opsets_do_not_allow_is_refused(shape, attributes, words):
    assert words in _refusal("Add", [f(2, 3, 5, 4), f(*shape)], 6, **attributes)


def test_variadic_operators_do_not_broadcast_below_opset_8():
    assert "opset 8" in _refusal("Sum", [f(2, 3), f(3)], 6)


def test_dropout_that_drops_at_random_is_refused():
    assert "is_test=1" in _refusal("Dropout", [f(2, 3)], 6)


def test_sizes_that_do_not_fit_are_refused():
    assert "do not fit" in _refusal("Conv", [f(1, 3, 5, 5), f(2, 4, 3, 3)], 6)
    assert "does not fit" in _refusal("MaxPool", [f(1, 3, 2, 2)], 6, kernel_shape=[3, 3])
    assert "numeric type" in _refusal("Cast", [f(2)], 1, to="NOTHING")
    assert "parts" in _refusal("Split", [f(5)], 1, split=[2, 2], outputs=2)
    assert "C has shape" in _refusal("Gemm", [f(2, 3), f(3, 4), f(4)], 6)
    assert "a parameter has shape" in _refusal(
        "BatchNormalization", [f(1, 3, 2, 2), f(4), f(4), f(4), f(4)], 6, is_test=1
    )


def test_weights_of_recurrent_operators_that_do_not_fit_are_refused():
    x, w, r = f(5, 3, 4), f(1, 6, 4), f(1, 6, 6)
    for inputs in ([x, f(1, 5, 4), r], [x, w, f(1, 5, 6)], [x, f(1, 6, 3), r]):
        assert "do not fit X" in _refusal("RNN", inputs, 7, hidden_size=6)
    assert "direction 'reverse' does not fit" in _refusal(
        "RNN", [x, f(2, 6, 4), f(2, 6, 6)], 7, hidden_size=6, direction="reverse"
    )
    assert "direction 'sideways' does not fit" in _refusal("RNN", [x, w, r], 7, hidden_size=6, direction="sideways")
    assert "1 activations given" in _refusal("GRU", [x, f(1, 18, 4), f(1, 18, 6)], 7, activations=["Tanh"])


def test_batch_normalization_that_trains_normalizes_by_the_batch_and_moves_its_statistics():
    x, scale, bias, mean, var = f(8, 3, 4, 4), f(3), f(3), f(3), positive(3)
    model, values = single_node("BatchNormalization", [x, scale, bias, mean, var], 6, outputs=5, momentum=0.75)
    y, new_mean, new_var, batch_mean, batch_var = ReferenceRunner(model).run(values).values()
    assert np.allclose(batch_mean, x.mean((0, 2, 3)), atol=1e-6) and np.allclose(batch_var, x.var((0, 2, 3)), atol=1e-5)
    assert np.allclose(new_mean, 0.75 * mean + 0.25 * batch_mean, atol=1e-6)
    assert np.allclose(new_var, 0.75 * var + 0.25 * batch_var, atol=1e-5)
    assert np.allclose(y.mean((0, 2, 3)), bias, atol=1e-4) and np.allclose(y.std((0, 2, 3)), np.abs(scale), atol=1e-3)


def test_layout_1_of_recurrent_operators_only_moves_axes():
    x, w, r = f(5, 3, 4), f(1, 24, 4), f(1, 24, 6)
    time_first, values = single_node("LSTM", [x, w, r], 14, outputs=3, hidden_size=6)
    expected = list(ReferenceRunner(time_first).run(values).values())
    inputs: list[Array | None] = [x.swapaxes(0, 1), w, r]
    batch_first, values = single_node("LSTM", inputs, 14, outputs=3, hidden_size=6, layout=1)
    y, h, c = ReferenceRunner(batch_first).run(values).values()
    assert np.array_equal(y, expected[0].transpose(2, 0, 1, 3))
    assert np.array_equal(h, expected[1].swapaxes(0, 1)) and np.array_equal(c, expected[2].swapaxes(0, 1))


def test_half_precision_is_summed_in_single():
    x, w = np.full((1, 4096, 1, 1), 0.25, np.float16), np.full((1, 4096, 1, 1), 0.5, np.float16)
    model, values = single_node("Conv", [x, w], 6)
    (y,) = ReferenceRunner(model).run(values).values()
    assert y.dtype == np.float16 and y.item() == 512


_NEWEST = sorted({operator.__name__ for operator in legacy_operators(onnx.defs.onnx_opset_version())})


@pytest.mark.parametrize("operator", _NEWEST)
def test_operators_that_serve_the_newest_opset_too_pass_the_tests_of_onnx(operator: str):
    cases = [case for case in cases_by_operator().get(operator, ()) if len(case.model.graph.node) == 1]
    for case in cases:
        (inputs, outputs), graph = case.data_sets[0], case.model.graph
        names = [value.name for value in graph.input]
        expected = {value.name: array for value, array in zip(graph.output, outputs, strict=True)}
        result = compare(expected, ReferenceRunner(case.model).run(dict(zip(names, inputs, strict=True))))
        assert result.passed, f"{case.name}: {result}"


@given(st.lists(st.integers(1, 4), max_size=4), st.data())
def test_every_contiguous_part_of_the_first_shape_broadcasts_and_nothing_else(shape: list[int], data: st.DataObject):
    start = data.draw(st.integers(0, len(shape)))
    end = data.draw(st.integers(start, len(shape)))
    part = shape[start:end]
    a, b = positive(*shape), positive(*part)
    model, values = single_node("Sub", [a, b], 6, broadcast=1, axis=start)
    (result,) = ReferenceRunner(model).run(values).values()
    assert np.array_equal(result, a - np.reshape(b, [*part, *[1] * (len(shape) - end)]))
    position = data.draw(st.integers(0, len(part)))
    longer = [*part[:position], 5, *part[position:]]
    assert "no contiguous part" in _refusal("Sub", [a, positive(*longer)], 6, broadcast=1, axis=start)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    pads=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    auto=st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
    op=st.sampled_from(["Conv", "MaxPool", "AveragePool", "LpPool"]),
)
def test_windows_of_any_rank_stride_and_padding_lie_where_onnx_runtime_has_them(
    sizes: list[int], kernel: int, stride: int, pads: list[int], auto: str, op: str
):
    rank = len(sizes)
    attributes: dict[str, Any] = {"kernel_shape": [kernel] * rank, "strides": [stride] * rank, "auto_pad": auto}
    if auto == "NOTSET":
        attributes["pads"] = [min(pad, kernel - 1) for pad in pads[: 2 * rank]]
    inputs: list[Array | None] = [f(1, 2, *sizes), f(3, 2, *[kernel] * rank)][: 2 if op == "Conv" else 1]
    around = attributes.get("pads", [0] * 2 * rank)
    if auto in ("NOTSET", "VALID") and any(n + sum(around[i::rank]) < kernel for i, n in enumerate(sizes)):
        # ONNX Runtime divides towards zero there and gives an element where the text's floor gives none
        assert "does not fit" in _refusal(op, inputs, 6, **attributes)
        return
    if auto.startswith("SAME"):
        # a stride that skips the end would want a negative pad: ONNX Runtime refuses it, or moves the window by it
        assume(all(-(-n // stride) * stride - stride + kernel >= n for n in sizes))
    model, values = single_node(op, inputs, 7, **attributes)
    expected = OnnxRuntimeRunner(model, threads=1).run(values)
    model, values = single_node(op, inputs, 6, **attributes)
    result = compare(expected, ReferenceRunner(model).run(values))
    assert result.passed, str(result)
