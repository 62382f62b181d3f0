"""Decompositions on generated values: the corners where arithmetic, other than the operator, would go wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import ModelProto, checker, helper
from onnx.reference import ReferenceEvaluator

from tests.opset_upgrade.node_cases import assert_same
from zoosmith.opset_upgrade import OpsetError, convert_version
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.running.reference import ReferenceRunner

_FEW = settings(max_examples=25)
_INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def _model(
    operator: str,
    inputs: Sequence[np.ndarray],
    outputs: Sequence[tuple[Any, Sequence[int]]],
    opset: int,
    constants: Sequence[np.ndarray] = (),
    **attributes: Any,
) -> ModelProto:
    """One node; `constants` are its last inputs, `outputs` are dtypes and shapes."""
    names = [f"x{index}" for index in range(len(inputs))]
    fixed = [f"c{index}" for index in range(len(constants))]
    results = [f"y{index}" for index in range(len(outputs))]
    kind = helper.np_dtype_to_tensor_dtype
    graph = helper.make_graph(
        [helper.make_node(operator, [*names, *fixed], results, **attributes)],
        operator,
        [helper.make_tensor_value_info(n, kind(a.dtype), a.shape) for n, a in zip(names, inputs, strict=True)],
        [helper.make_tensor_value_info(n, kind(np.dtype(d)), s) for n, (d, s) in zip(results, outputs, strict=True)],
        [helper.make_tensor(n, kind(a.dtype), a.shape, a.flatten()) for n, a in zip(fixed, constants, strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def _lowered(model: ModelProto, target: int, inputs: Sequence[np.ndarray]) -> list[Any]:
    converted = convert_version(model, target)
    checker.check_model(converted, full_check=True)
    feeds = dict(zip((value.name for value in converted.graph.input), inputs, strict=False))
    try:
        return list(runner_for(converted).run(feeds).values())
    except Exception:  # no kernel for the type
        return list(ReferenceRunner(converted).run(feeds).values())


def _floats(shape: Any = None) -> Any:
    odd = st.sampled_from([np.inf, -np.inf, np.nan, 0.0, -0.0, 0.5, -0.5, 1.5, 2.5, 2.0**-27, 2.0**127])
    numbers = st.floats(-100, 100, width=32) | odd
    return arrays(np.float32, array_shapes(max_dims=3, max_side=4) if shape is None else shape, elements=numbers)


@given(st.data())
@_FEW
def test_where_takes_no_part_of_what_is_not_chosen(data: st.DataObject) -> None:
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, max_side=4))
    condition = data.draw(arrays(np.bool_, shape[-1:]))
    yes, no = data.draw(_floats(shape)), data.draw(_floats((1,)))
    expected = np.where(condition, yes, no)
    inputs = [condition, yes, no]
    for target in (8, 7, 6):
        assert_same(expected, _lowered(_model("Where", inputs, [("float32", shape)], 16), target, inputs)[0], rtol=0)


@given(st.sampled_from(["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"]), st.data())
@_FEW
def test_comparisons_of_floats_know_nan_and_infinity(operator: str, data: st.DataObject) -> None:
    left = data.draw(_floats())
    right = data.draw(_floats(left.shape))
    compare: dict[str, Any] = {"Equal": np.equal, "Less": np.less, "Greater": np.greater}
    compare |= {"LessOrEqual": np.less_equal, "GreaterOrEqual": np.greater_equal}
    model = _model(operator, [left, right], [("bool", left.shape)], 16)
    for target in (11, 8, 7):
        assert_same(compare[operator](left, right), _lowered(model, target, [left, right])[0])


@given(st.sampled_from(["Equal", "Less", "Greater"]), st.sampled_from(_INTEGERS), st.data())
@_FEW
def test_comparisons_of_integers_are_exact_to_the_last_bit(operator: str, dtype: str, data: st.DataObject) -> None:
    bounds = np.iinfo(dtype)
    near = st.sampled_from([bounds.min, bounds.min + 1, 0, 1, bounds.max - 1, bounds.max])
    values = arrays(dtype, (6,), elements=near | st.integers(bounds.min, bounds.max))
    left, right = data.draw(values), data.draw(values)
    compare: Any = {"Equal": np.equal, "Less": np.less, "Greater": np.greater}[operator]
    model = _model(operator, [left, right], [("bool", (6,))], 13)
    for target in (8, 7):
        assert_same(compare(left, right), _lowered(model, target, [left, right])[0])


@given(_floats())
@_FEW
def test_round_goes_to_the_even_neighbour(values: np.ndarray) -> None:
    assert_same(np.rint(values), _lowered(_model("Round", [values], [("float32", values.shape)], 22), 10, [values])[0])


@pytest.mark.parametrize(("operator", "inverse"), [("Sinh", np.sinh), ("Asinh", np.arcsinh), ("Atanh", np.arctanh)])
def test_hyperbolic_functions_keep_small_values(operator: str, inverse: Any) -> None:
    values = np.array([1e-7, -1e-5, 1e-3, 0.0, 0.9, -0.5], np.float32)
    model = _model(operator, [values], [("float32", values.shape)], 22)
    assert_same(inverse(values), _lowered(model, 8, [values])[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", _INTEGERS)
@pytest.mark.parametrize("fmod", [0, 1])
def test_the_remainder_has_the_sign_that_the_attribute_tells(dtype: str, fmod: int) -> None:
    left = np.array([7, 7, 0, 6, 5, 100, 127, 3], dtype)
    right = np.array([3, 2, 5, 3, 7, 9, 2, 1], dtype)
    if np.dtype(dtype).kind == "i":
        left, right = np.concatenate([left, -left, left]), np.concatenate([right, right, -right])
    expected = (np.fmod if fmod else np.mod)(left, right)
    model = _model("Mod", [left, right], [(dtype, left.shape)], 13, fmod=fmod)
    for target in (9, 8, 7):
        assert_same(expected, _lowered(model, target, [left, right])[0])


@given(st.sampled_from([0, 1]), st.sampled_from(["float16", "float32"]), st.data())
@_FEW
def test_the_remainder_of_floats_is_that_of_c_or_of_python(fmod: int, dtype: str, data: st.DataObject) -> None:
    special = st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0])
    values = arrays(np.float32, (6,), elements=special | st.floats(-64, 64, width=16))
    steps = special | st.floats(0.0625, 64, width=16) | st.floats(-64, -0.0625, width=16)
    left, right = data.draw(values).astype(dtype), data.draw(arrays(np.float32, (6,), elements=steps)).astype(dtype)
    with np.errstate(invalid="ignore"):
        expected = (np.fmod if fmod else np.mod)(left, right)
    model = _model("Mod", [left, right], [(dtype, (6,))], 28, fmod=fmod)
    for target in (27, 13, 9, 7):
        assert_same(expected, _lowered(model, target, [left, right])[0], rtol=0, atol=0)


def test_the_remainder_of_floats_that_an_older_opset_has_is_of_its_kernel() -> None:
    model = _model("Mod", [np.float32([5, -5]), np.float32([3, 3])], [("float32", (2,))], 28, fmod=0)
    assert {a.i for n in convert_version(model, 27).graph.node if n.op_type == "Mod" for a in n.attribute} == {1}


@given(st.sampled_from(_INTEGERS), st.sampled_from(["LEFT", "RIGHT"]), st.data())
@_FEW
def test_shifts_move_bits_and_nothing_else(dtype: str, direction: str, data: st.DataObject) -> None:
    bounds, width = np.iinfo(dtype), np.dtype(dtype).itemsize * 8
    values = data.draw(arrays(dtype, (5,), elements=st.integers(bounds.min, bounds.max)))
    amounts = data.draw(arrays(dtype, (5,), elements=st.integers(0, min(width + 3, bounds.max))))
    pairs = [(int(value), int(amount)) for value, amount in zip(values, amounts, strict=True)]
    if direction == "LEFT":
        moved = [value << amount if amount < width else 0 for value, amount in pairs]
    else:
        moved = [value >> amount for value, amount in pairs]
    expected = np.array([number & (1 << width) - 1 for number in moved], f"uint{width}").astype(dtype)
    model = _model("BitShift", [values, amounts], [(dtype, (5,))], 28, direction=direction)
    for target in (27, 10, 8):
        assert_same(expected, _lowered(model, target, [values, amounts])[0])


@given(st.sampled_from(["And", "Or", "Xor"]), st.sampled_from(_INTEGERS), st.data())
@_FEW
def test_bitwise_logic_is_exact_in_every_width(name: str, dtype: str, data: st.DataObject) -> None:
    bounds = np.iinfo(dtype)
    values = arrays(dtype, (2, 3), elements=st.integers(bounds.min, bounds.max))
    left, right = data.draw(values), data.draw(values)[0]
    expected = {"And": left & right, "Or": left | right, "Xor": left ^ right}[name]
    model = _model(f"Bitwise{name}", [left, right], [(dtype, (2, 3))], 18)
    for target in (17, 9, 7):
        assert_same(expected, _lowered(model, target, [left, right])[0])


@given(st.sampled_from(_INTEGERS), st.data())
@_FEW
def test_bitwise_not_is_exact_in_every_width(dtype: str, data: st.DataObject) -> None:
    bounds = np.iinfo(dtype)
    values = data.draw(arrays(dtype, (4,), elements=st.integers(bounds.min, bounds.max)))
    assert_same(~values, _lowered(_model("BitwiseNot", [values], [(dtype, (4,))], 18), 8, [values])[0])


@given(st.data(), st.booleans(), st.booleans(), st.booleans())
@_FEW
def test_running_sums_and_products(data: st.DataObject, product: bool, reverse: bool, exclusive: bool) -> None:
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, max_side=6))
    values = data.draw(arrays(np.int64, shape, elements=st.integers(-3, 3)))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    ordered = np.flip(values, axis) if reverse else values
    if exclusive:
        edge = np.full_like(np.take(ordered, [0], axis), int(product))
        ordered = np.concatenate([edge, np.delete(ordered, -1, axis)], axis)
    expected = (np.cumprod if product else np.cumsum)(ordered, axis)
    expected = np.flip(expected, axis) if reverse else expected
    operator, opset, target = ("CumProd", 26, 25) if product else ("CumSum", 14, 10)
    options: dict[str, Any] = {"reverse": int(reverse), "exclusive": int(exclusive)}
    place = np.array(axis, np.int64)
    fixed = _model(operator, [values], [("int64", shape)], opset, constants=[place], **options)
    assert_same(expected, _lowered(fixed, target, [values])[0])
    free = _model(operator, [values, place], [("int64", shape)], opset, **options)
    assert_same(expected, _lowered(free, target, [values, place])[0])


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bhid,bhjd->bhij", [(2, 2, 3, 4), (2, 2, 5, 4)]),
        ("ab,cd->abcd", [(2, 3), (4, 5)]),
        ("abc,cb->a", [(2, 3, 4), (4, 3)]),
        ("abcd,cdab->", [(2, 3, 4, 5), (4, 5, 2, 3)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("iij,jk", [(3, 3, 4), (4, 5)]),
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 6)]),
        ("ab,bc,cd->da", [(2, 3), (3, 4), (4, 5)]),
        ("ab,a->b", [(2, 3), (2,)]),
        ("ba,b->ab", [(2, 3), (2,)]),
        (",->", [(), ()]),
        ("bqhd,bkhd->bhqk", [(2, 3, 4, 5), (2, 6, 4, 5)]),
    ],
)
def test_einsum_is_contracted_as_numpy_does(equation: str, shapes: list[tuple[int, ...]]) -> None:
    random = np.random.RandomState(0)
    inputs = [np.asarray(random.standard_normal(shape), np.float32) for shape in shapes]
    expected = np.asarray(np.einsum(equation, *inputs))
    model = _model("Einsum", inputs, [("float32", expected.shape)], 12, equation=equation)
    for target in (11, 9, 7):
        assert_same(expected, _lowered(model, target, inputs)[0])


@pytest.mark.parametrize(("onesided", "parts"), [(0, 1), (0, 2), (1, 1)])
@pytest.mark.parametrize("length", [None, 4, 7, 9])
def test_the_fourier_transform_pads_cuts_and_halves(onesided: int, length: int | None, parts: int) -> None:
    signal = np.random.RandomState(1).standard_normal((2, 7, 3, parts)).astype(np.float32)
    whole = signal[..., 0] + (1j * signal[..., 1] if parts == 2 else 0)
    spectrum = np.fft.fft(whole, n=length, axis=1)
    if onesided:
        spectrum = spectrum[:, : spectrum.shape[1] // 2 + 1]
    expected = np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)
    lengths = [np.array(length, np.int64)] if length else []
    model = _model("DFT", [signal], [("float32", expected.shape)], 17, constants=lengths, axis=1, onesided=onesided)
    assert_same(expected, _lowered(model, 16, [signal])[0], atol=1e-4)


@pytest.mark.parametrize("size", [6, 7])
def test_the_inverse_of_half_a_spectrum_is_the_signal(size: int) -> None:
    signal = np.random.RandomState(2).standard_normal((3, size)).astype(np.float32)
    half = np.fft.rfft(signal)
    given_half = np.stack([half.real, half.imag], -1).astype(np.float32)
    result = ("float32", (3, size, 1))
    lengths = [np.array(size, np.int64)]
    model = _model("DFT", [given_half], [result], 17, constants=lengths, axis=1, inverse=1, onesided=1)
    assert_same(signal[..., None], _lowered(model, 16, [given_half])[0], atol=1e-4)


@pytest.mark.parametrize("onesided", [0, 1])
def test_the_short_time_transform_frames_and_weighs(onesided: int) -> None:
    signal = np.random.RandomState(3).standard_normal((2, 20, 1)).astype(np.float32)
    window = np.hanning(8).astype(np.float32)
    frames = np.stack([signal[:, start : start + 8, 0] * window for start in range(0, 13, 3)], 1)
    spectrum = np.fft.fft(frames)[..., : 5 if onesided else 8]
    expected = np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)
    options: list[Any] = [np.array(3, np.int64), window, np.array(8, np.int64)]
    model = _model("STFT", [signal], [("float32", expected.shape)], 17, constants=options, onesided=onesided)
    for target in (16, 9):
        assert_same(expected, _lowered(model, target, [signal])[0], atol=1e-4)


@pytest.mark.parametrize("mode", ["nearest", "linear"])  # of cubic, onnx's evaluator reads borders in its own way
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [0, 1])
def test_grid_sample_far_beyond_the_border(mode: str, padding: str, align: int) -> None:
    random = np.random.RandomState(4)
    image = random.standard_normal((2, 3, 4, 5)).astype(np.float32)
    grid = random.uniform(-2.5, 2.5, (2, 3, 3, 2)).astype(np.float32)
    options: dict[str, Any] = {"mode": mode, "padding_mode": padding, "align_corners": align}
    model = _model("GridSample", [image, grid], [("float32", (2, 3, 3, 3))], 22, **options)
    expected = list(ReferenceEvaluator(model).run(None, {"x0": image, "x1": grid}))
    assert_same(expected[0], _lowered(model, 15, [image, grid])[0], atol=1e-4)
    _free_all_sizes(model)
    for target in (15, 9):
        assert_same(expected[0], _lowered(model, target, [image, grid])[0], atol=1e-4)


@pytest.mark.parametrize("target", [15, 8])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_a_place_of_grid_sample_that_is_no_number_is_the_lower_border(mode: str, padding: str, target: int) -> None:
    image = np.random.RandomState(0).randn(1, 1, 4, 4).astype(np.float32)
    grid = np.array([[[[np.nan, 0.1], [0.3, np.nan], [np.nan, np.nan], [0.3, -0.7]]]], np.float32)
    model = _model("GridSample", [image, grid], [("float32", (1, 1, 1, 4))], 22, mode=mode, padding_mode=padding)
    names = [value.name for value in model.graph.input]
    # as torch and ONNX Runtime 1.32 take it
    of_border = dict(zip(names, [image, np.nan_to_num(grid, nan=-1)], strict=True))
    runner = runner_for(convert_version(model, target))
    expected = runner_for(model).run(of_border)
    given = runner.run(dict(zip(names, [image, grid], strict=True)))
    for one, other in zip(given.values(), expected.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [0, 1])
def test_grid_sample_of_volumes_of_free_sizes(padding: str, align: int) -> None:
    random = np.random.RandomState(5)
    volume = random.standard_normal((2, 3, 4, 5, 3)).astype(np.float32)
    grid = random.uniform(-1.5, 1.5, (2, 2, 3, 2, 3)).astype(np.float32)
    options: dict[str, Any] = {"mode": "linear", "padding_mode": padding, "align_corners": align}
    model = _model("GridSample", [volume, grid], [("float32", (2, 3, 2, 3, 2))], 22, **options)
    expected = list(ReferenceEvaluator(model).run(None, {"x0": volume, "x1": grid}))
    _free_all_sizes(model)
    assert_same(expected[0], _lowered(model, 19, [volume, grid])[0], atol=1e-4)


def _free_all_sizes(model: ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        for axis, size in enumerate(value.type.tensor_type.shape.dim):
            size.dim_param = f"{value.name}_{axis}"


def test_what_lies_beyond_the_border_does_not_spread_an_infinity() -> None:
    image = np.full((1, 1, 2, 2), np.inf, np.float32)
    grid = np.full((1, 1, 1, 2), 9, np.float32)
    model = _model("GridSample", [image, grid], [("float32", (1, 1, 1, 1))], 16, padding_mode="zeros")
    assert _lowered(model, 15, [image, grid])[0].item() == 0


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot_of_a_constant_depth(axis: int) -> None:
    indices = np.array([[0, 3, -1], [2, 9, 1]], np.int64)
    values = np.array([-1, 5], np.float32)
    place = axis % 3
    hot = np.moveaxis((np.arange(4) == indices[..., None]) | (np.arange(4) - 4 == indices[..., None]), -1, place)
    expected = np.where(hot, values[1], values[0])
    options: list[Any] = [np.array(4, np.int64), values]
    model = _model("OneHot", [indices], [("float32", expected.shape)], 11, constants=options, axis=axis)
    for target in (8, 7):
        assert_same(expected, _lowered(model, target, [indices])[0])


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [None, -2, 1])
def test_a_triangle_of_a_matrix_of_free_size(upper: int, k: int | None) -> None:
    values = np.random.RandomState(5).standard_normal((2, 3, 4)).astype(np.float32)
    expected = (np.triu if upper else np.tril)(values, k or 0)
    given_k = [] if k is None else [np.array(k, np.int64)]
    model = _model("Trilu", [values, *given_k], [("float32", (2, 3, 4))], 14, upper=upper)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[1].dim_param = "rows"
        value.type.tensor_type.shape.dim[2].dim_param = "columns"
    for target in (13, 11, 10, 9, 8, 7):
        assert_same(expected, _lowered(model, target, [values, *given_k])[0])


@pytest.mark.parametrize(
    ("operator", "target"),
    [("LayerNormalization", 7), ("RMSNormalization", 7), ("HardSwish", 7), ("Mish", 7), ("Gelu", 7), ("Swish", 7)],
)
def test_common_layers_need_no_fixed_sizes(operator: str, target: int) -> None:
    values = np.random.RandomState(6).standard_normal((2, 5, 8)).astype(np.float32)
    weights = [np.linspace(0.5, 1.5, 8, dtype=np.float32)] * {"LayerNormalization": 2, "RMSNormalization": 1}.get(
        operator, 0
    )
    model = _model(operator, [values], [("float32", values.shape)], 24, constants=weights)
    expected = list(ReferenceEvaluator(model).run(None, {"x0": values}))
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
        value.type.tensor_type.shape.dim[1].dim_param = "sequence"
    assert_same(expected[0], _lowered(model, target, [values])[0])


@pytest.mark.parametrize(
    ("operator", "dtype", "opset", "target"),
    [("Mod", "float64", 13, 9), ("Pow", "int64", 15, 11), ("Asinh", "float64", 22, 8)],
)
def test_what_would_lose_precision_is_refused_by_name(operator: str, dtype: str, opset: int, target: int) -> None:
    values = np.ones(3, dtype)
    inputs = [values] * (2 if operator in ("Mod", "Pow") else 1)
    options: dict[str, Any] = {"fmod": 1} if operator == "Mod" else {}
    model = _model(operator, inputs, [(dtype, (3,))], opset, **options)
    with pytest.raises(OpsetError, match=rf"\({operator}\).*opset {target + 1} is the lowest"):
        convert_version(model, target)


def test_a_constant_of_an_older_opset_is_not_folded_with_the_newer_meaning() -> None:
    # Softmax flattens before 13: over both axes here; the evaluator knows the newer one only
    values = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    body = [
        helper.make_node("Softmax", ["c"], ["s"], axis=1),
        helper.make_node("Mul", ["x", "s"], ["y"]),
    ]
    port = helper.make_tensor_value_info
    graph = helper.make_graph(
        body,
        "g",
        [port("x", 1, [1, 2, 3])],
        [port("y", 1, [1, 2, 3])],
        [helper.make_tensor("c", 1, values.shape, values.flatten())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    exponents = np.exp(values)
    one = np.ones((1, 2, 3), np.float32)
    for target in (7, 15):
        assert_same((exponents / exponents.sum()).astype(np.float32), _lowered(model, target, [one])[0])


@pytest.mark.parametrize(("base", "exponent"), [("float32", "float64"), ("float64", "float32"), ("int32", "float32")])
def test_types_that_may_differ_become_one_where_they_must_not(base: str, exponent: str) -> None:
    left, right = np.array([1, 2, 3], base), np.array([2, 0, 3], exponent)
    model = _model("Pow", [left, right], [(base, (3,))], 15)
    for target in (11, 7):
        assert_same(np.array([1, 1, 27], base), _lowered(model, target, [left, right])[0])


def test_statistics_of_another_precision_are_brought_to_that_of_the_data() -> None:
    data = np.random.RandomState(7).standard_normal((2, 3, 4)).astype(np.float16)
    mean, variance = np.array([0, 1, -1], np.float32), np.array([1, 2, 3], np.float32)
    scale, bias = np.ones(3, np.float16), np.zeros(3, np.float16)
    inputs: list[Any] = [data, scale, bias, mean, variance]
    expected = (data - mean[:, None]) / np.sqrt(variance[:, None] + 1e-5)
    model = _model("BatchNormalization", inputs, [("float16", (2, 3, 4))], 15)
    for target in (13, 9):
        assert_same(expected.astype(np.float16), _lowered(model, target, inputs)[0], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_every_block_is_quantized_by_its_own_scale(axis: int, dtype: str) -> None:
    random = np.random.RandomState(6)
    values = random.uniform(-300, 300, (4, 7)).astype(np.float32)
    blocks = [4, 7]
    blocks[axis] = -(-blocks[axis] // 3)
    scale = random.uniform(0.5, 3, blocks).astype(np.float32)
    zero = random.randint(0, 9, blocks).astype(dtype)
    spread = [np.repeat(each, 3, axis).take(np.arange(values.shape[axis]), axis) for each in (scale, zero)]
    bounds = np.iinfo(dtype)
    expected = np.clip(np.rint(values / spread[0]) + spread[1], bounds.min, bounds.max).astype(dtype)
    inputs = [values, scale, zero]
    model = _model("QuantizeLinear", inputs, [(dtype, values.shape)], 21, axis=axis, block_size=3)
    for target in (20, 12, 10, 9):
        assert_same(expected, _lowered(model, target, inputs)[0])
