"""Quantized operators of ONNX Runtime's own domain: the standard form is off by one step at most, and says so."""

from typing import Any

import numpy as np
import pytest

from tests.opset_upgrade.nodes import OLD_ONNX_RUNTIME
from tests.opset_upgrade.test_contrib_operators import assert_standard, contrib_model, floats
from zoosmith.opset_upgrade import convert


@pytest.fixture(params=[np.uint8, np.int8])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def integers(rng: np.random.Generator, kind: Any, *shape: int) -> np.ndarray:
    bounds = np.iinfo(kind)
    return rng.integers(bounds.min, bounds.max + 1, shape).astype(kind)


def scaled(rng: np.random.Generator, kind: Any, name: str, *shape: int) -> dict[str, np.ndarray]:
    """Integers with a scale and a zero point."""
    scale = np.float32(0.02 + rng.random() / 20)
    return {name: integers(rng, kind, *shape), f"{name}_s": np.array(scale), f"{name}_z": np.array(kind(3))}


def result(kind: Any, scale: float) -> dict[str, np.ndarray]:
    return {"y_s": np.array(scale, np.float32), "y_z": np.array(kind(5))}


@pytest.mark.parametrize(("operator", "scale"), [("QLinearAdd", 0.09), ("QLinearMul", 0.2)])
def test_sums_and_products(rng: np.random.Generator, kind: Any, operator: str, scale: float) -> None:
    inputs = scaled(rng, kind, "a", 4, 64) | scaled(rng, kind, "b", 64) | result(kind, scale)
    assert_standard(operator, inputs, steps=1, targets=(17, 11))


@pytest.mark.skipif(OLD_ONNX_RUNTIME, reason="the QLinearSoftmax of ONNX Runtime 1.23 takes int8 for uint8")
@pytest.mark.parametrize(
    ("operator", "scale", "attributes"),
    [
        *(("QLinearSigmoid", 1 / 256, {}), ("QLinearLeakyRelu", 0.05, {"alpha": 0.2})),
        *(
            ("QLinearSoftmax", 1 / 256, {"opset": 13, "axis": -1}),
            ("QLinearSoftmax", 1 / 256, {"opset": 11, "axis": 1}),
        ),
    ],
)
def test_functions_of_one_tensor(
    rng: np.random.Generator, kind: Any, operator: str, scale: float, attributes: dict[str, Any]
) -> None:
    inputs = scaled(rng, kind, "x", 4, 8, 8) | result(kind, scale)
    assert_standard(operator, inputs, steps=1, targets=(17, 13), **attributes)


def test_a_concatenation_of_different_scales_keeps_its_values(rng: np.random.Generator, kind: Any) -> None:
    inputs = result(kind, 0.05) | scaled(rng, kind, "a", 2, 3) | scaled(rng, kind, "b", 2, 4)
    assert_standard("QLinearConcat", inputs, axis=1, targets=(17, 13))


@pytest.mark.parametrize("last", [0, 1])
def test_pools_keep_their_values_in_either_layout(rng: np.random.Generator, kind: Any, last: int) -> None:
    shape = (1, 6, 6, 3) if last else (1, 3, 6, 6)
    inputs = scaled(rng, kind, "x", *shape) | result(kind, 0.03)
    assert_standard("QLinearGlobalAveragePool", inputs, steps=1, channels_last=last)
    window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    assert_standard("QLinearAveragePool", inputs, steps=1, channels_last=last, count_include_pad=1, **window)
    if last:
        assert_standard("NhwcMaxPool", {"x": inputs["x"]}, **window)


def test_a_convolution_with_the_channels_last(rng: np.random.Generator) -> None:
    inputs = scaled(rng, np.uint8, "x", 1, 6, 6, 3) | scaled(rng, np.int8, "w", 4, 3, 3, 3) | result(np.uint8, 0.4)
    assert_standard("QLinearConv", inputs, channels_last=1, pads=[1, 1, 1, 1], steps=1)


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 0.7])
def test_a_gemm_keeps_its_values_with_a_float_or_integer_result(
    rng: np.random.Generator, quantized: bool, alpha: float
) -> None:
    inputs = scaled(rng, np.uint8, "a", 4, 8) | scaled(rng, np.int8, "b", 8, 5)
    inputs["c"] = rng.integers(-500, 500, 5).astype(np.int32)
    inputs |= result(np.uint8, 0.5) if quantized else {}
    assert_standard("QGemm", inputs, steps=1, alpha=alpha, targets=(17, 12), tolerance=1e-4)


def test_products_of_integers_as_floats(rng: np.random.Generator) -> None:
    a, b = scaled(rng, np.uint8, "a", 4, 8), scaled(rng, np.int8, "b", 8, 5)
    order = {
        **{n: a[n] for n in ("a",)},
        "b": b["b"],
        "a_s": a["a_s"],
        "b_s": b["b_s"],
        "a_z": a["a_z"],
        "b_z": b["b_z"],
    }
    assert_standard("MatMulIntegerToFloat", order | {"bias": floats(rng, 5)}, targets=(17, 11), tolerance=1e-4)
    dynamic = {"x": floats(rng, 4, 8), **b, "bias": floats(rng, 5)}
    assert_standard("DynamicQuantizeMatMul", dynamic, targets=(17, 11), tolerance=1e-4)


@pytest.mark.parametrize("by_column", [False, True])
def test_attention_over_integers(rng: np.random.Generator, by_column: bool) -> None:
    x, w = scaled(rng, np.uint8, "x", 2, 4, 8), scaled(rng, np.int8, "w", 8, 24)
    if by_column:
        w["w_s"] = (0.01 + rng.random(24) / 50).astype(np.float32)
        w["w_z"] = np.zeros(24, np.int8)
    inputs = {"x": x["x"], "w": w["w"], "b": floats(rng, 24), "x_s": np.array(0.005, np.float32), "w_s": w["w_s"]}
    inputs |= {"mask": np.array([[1, 1, 0, 0], [1, 1, 1, 1]], np.int32), "x_z": x["x_z"], "w_z": w["w_z"]}
    assert_standard("QAttention", inputs, num_heads=2, unidirectional=1, targets=(17, 13), tolerance=1e-3)


def test_integers_of_16_bits(rng: np.random.Generator) -> None:
    x, scale, zero = floats(rng, 3, 4), np.array(0.01, np.float32), np.array(7, np.uint16)
    assert_standard("QuantizeLinear", {"x": x, "s": scale, "z": zero}, targets=(21, 17))
    data = rng.integers(0, 1000, (3, 4)).astype(np.uint16)
    assert_standard("DequantizeLinear", {"x": data, "s": scale, "z": zero}, targets=(21, 17))


def test_the_step_is_told(rng: np.random.Generator) -> None:
    inputs = scaled(rng, np.uint8, "a", 2, 3) | scaled(rng, np.uint8, "b", 3) | result(np.uint8, 1 / 256)
    caveats = convert(contrib_model("QLinearAdd", inputs), 17, standard=True).caveats
    assert [(each.operator, each.kind) for each in caveats] == [("QLinearAdd", "approximate")]
    one = scaled(rng, np.uint8, "x", 2, 3) | result(np.uint8, 1 / 256)
    assert not convert(contrib_model("QLinearSigmoid", one), 17, standard=True, exact=True).caveats


@pytest.mark.skipif(OLD_ONNX_RUNTIME, reason="ONNX Runtime 1.23 ends the process on 16 bits")
def test_operators_that_onnx_took_over(rng: np.random.Generator) -> None:
    assert_standard("Trilu", {"x": floats(rng, 3, 4), "k": np.array(1)}, upper=0)
    assert_standard("GatherND", {"x": floats(rng, 3, 4), "i": np.array([[0, 1], [2, 3]], np.int32)})
    pads = np.array([1, 0, 2, 1])
    assert_standard("Pad", {"x": floats(rng, 3, 4), "p": pads, "v": np.array([0.5], np.float32)}, mode="constant")
    for axis in (0, 2, -1, -2):
        assert_standard("ExpandDims", {"x": floats(rng, 3, 4), "axis": np.array([axis], np.int32)}, constants=("axis",))
    assert_standard("Range", {name: np.array([n], np.int64) for name, n in (("a", 1), ("b", 4))})
    assert_standard("Range", {name: np.array([n], np.float32) for name, n in (("a", 1), ("b", 4), ("d", 0.5))})
