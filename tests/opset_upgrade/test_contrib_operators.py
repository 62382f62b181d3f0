"""The operators of ONNX Runtime's own domain become standard ones that compute what ONNX Runtime computes for them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from zoosmith.opset_upgrade import OpsetError, convert_version

CONTRIB = "com.microsoft"
Inputs = Mapping[str, np.ndarray]


def contrib_model(
    operator: str,
    inputs: Inputs,
    outputs: Sequence[str] = ("y",),
    *,
    of_opset: int = 17,
    domain: str = CONTRIB,
    constants: Sequence[str] = (),
    **attributes: Any,
) -> ModelProto:
    """A model of one operator; an input whose name begins with `_` is left out."""
    names = ["" if name.startswith("_") else name for name in inputs]
    node = helper.make_node(operator, names, [o.strip("-") for o in outputs], domain=domain, **attributes)
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in inputs.items()
        if not name.startswith("_") and name not in constants
    ]
    made = [helper.make_empty_tensor_value_info(name) for name in outputs if name.strip("-")]
    stored = [numpy_helper.from_array(inputs[name], name) for name in constants]
    graph = helper.make_graph([node], "g", values, made, stored)
    imports = [helper.make_opsetid("", of_opset), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def run(model: ModelProto, inputs: Inputs) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    read = {value.name for value in model.graph.input}
    return session.run(None, {name: value for name, value in inputs.items() if name in read})


def assert_standard(
    operator: str,
    inputs: Inputs,
    outputs: Sequence[str] = ("y",),
    *,
    targets: Sequence[int] = (17, 13, 21),
    steps: int = 0,
    tolerance: float = 1e-5,
    domain: str = CONTRIB,
    constants: Sequence[str] = (),
    **attributes: Any,
) -> None:
    """Both models give the same; integers may differ by `steps`."""
    model = contrib_model(operator, inputs, outputs, domain=domain, constants=constants, **attributes)
    wanted = run(model, inputs)
    for target in targets:
        converted = convert_version(model, target, standard=True)
        assert {node.domain for node in converted.graph.node} <= {""}
        assert [entry.domain for entry in converted.opset_import] == [""]
        stated = ModelProto()
        stated.CopyFrom(converted)
        for value, result in zip(stated.graph.output, wanted, strict=True):
            value.CopyFrom(
                helper.make_tensor_value_info(value.name, helper.np_dtype_to_tensor_dtype(result.dtype), result.shape)
            )
        checker.check_model(stated, full_check=True)
        for before, after in zip(wanted, run(converted, inputs), strict=True):
            assert (before.dtype, before.shape) == (after.dtype, after.shape)
            if before.dtype.kind == "f":
                np.testing.assert_allclose(after, before, rtol=tolerance, atol=tolerance)
            else:
                assert np.abs(before.astype(np.int64) - after.astype(np.int64)).max() <= steps


def standard_result(operator: str, inputs: Inputs, **attributes: Any) -> np.ndarray:
    """What the standard form computes, of an operator that ONNX Runtime has no kernel for on the processor."""
    return run(convert_version(contrib_model(operator, inputs, **attributes), 21, standard=True), inputs)[0]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def floats(rng: np.random.Generator, *shape: int, dtype: Any = np.float32) -> np.ndarray:
    return rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("operator", ["Gelu", "FastGelu", "QuickGelu"])
@pytest.mark.parametrize("bias", [False, True])
def test_the_forms_of_gelu_keep_their_values(rng: np.random.Generator, operator: str, bias: bool) -> None:
    inputs = {"x": floats(rng, 2, 3, 8) * 3}
    if operator == "FastGelu" and bias:
        inputs["b"] = floats(rng, 8)
    attributes = {"alpha": 1.3} if operator == "QuickGelu" and bias else {}
    assert_standard(operator, inputs, targets=(17, 12, 9, 20), **attributes)


def test_gelu_of_a_sum_with_a_bias_keeps_its_values(rng: np.random.Generator) -> None:
    assert_standard("BiasGelu", {"a": floats(rng, 2, 8), "b": floats(rng, 8)}, targets=(17, 9))


def test_bias_add_and_bias_split_gelu_follow_their_definition(rng: np.random.Generator) -> None:
    """ONNX Runtime has no kernels for them on the processor."""
    inputs = {"x": floats(rng, 2, 3, 8), "b": floats(rng, 8), "s": floats(rng, 2, 3, 8)}
    model = convert_version(contrib_model("BiasAdd", inputs), 17, standard=True)
    np.testing.assert_allclose(run(model, inputs)[0], inputs["x"] + inputs["b"] + inputs["s"], rtol=1e-6)
    del inputs["s"]
    model = convert_version(contrib_model("BiasSplitGelu", inputs), 17, standard=True)
    left, right = np.split(inputs["x"] + inputs["b"], 2, axis=-1)
    gate = run(contrib_model("Gelu", {"x": right}), {"x": right})[0]
    np.testing.assert_allclose(run(model, inputs)[0], left * gate, rtol=1e-5)


def test_products_with_an_activation_follow_their_definition(rng: np.random.Generator) -> None:
    inputs = {"a": floats(rng, 2, 4, 3), "b": floats(rng, 4, 5)}
    product = 0.5 * inputs["a"].swapaxes(1, 2) @ inputs["b"]
    found = standard_result("FusedMatMulActivation", inputs, transA=1, alpha=0.5, activation="Relu")
    np.testing.assert_allclose(found, np.maximum(product, 0), rtol=1e-5)
    inputs = {"x": floats(rng, 4, 3), "w": floats(rng, 3, 5), "bias": floats(rng, 5)}
    data = {"x": inputs["x"] @ inputs["w"], "bias": inputs["bias"]}
    gelu = run(contrib_model("FastGelu", data), data)[0]
    np.testing.assert_allclose(standard_result("GemmFastGelu", inputs), gelu, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("skip", [(2, 3, 5, 6), (2, 1, 1, 6), (2, 6)])
@pytest.mark.parametrize("bias", [False, True])
def test_skip_group_norm_follows_its_definition(rng: np.random.Generator, skip: tuple[int, ...], bias: bool) -> None:
    inputs = {
        "x": floats(rng, 2, 3, 5, 6),
        "scale": floats(rng, 6),
        "shift": floats(rng, 6),
        "skip": floats(rng, *skip),
    }
    inputs |= {"bias": floats(rng, 6)} if bias else {}
    added = inputs["x"] + (inputs["skip"][:, None, None] if len(skip) == 2 else inputs["skip"])
    added = added + inputs["bias"] if bias else added
    how: dict[str, Any] = {"groups": 3, "activation": 1, "channels_last": 1}
    plain = {"x": added, "scale": inputs["scale"], "bias": inputs["shift"]}
    wanted = standard_result("GroupNorm", plain, **how)
    np.testing.assert_allclose(standard_result("SkipGroupNorm", inputs, **how), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("operator", ["NhwcConv", "NhwcFusedConv"])
def test_convolutions_with_the_channels_last(rng: np.random.Generator, operator: str) -> None:
    first = {"x": floats(rng, 1, 4, 5, 6), "w": floats(rng, 6, 2, 3, 3), "b": floats(rng, 6)}
    how: dict[str, Any] = {"group": 2, "pads": [1, 0, 1, 0], "strides": [1, 2]}
    how |= {"activation": "Relu"} if operator == "NhwcFusedConv" else {}
    last = {name: value.transpose(0, 2, 3, 1).copy() if value.ndim == 4 else value for name, value in first.items()}
    wanted = standard_result("FusedConv", first, **how)
    found = standard_result(operator, last, **how)
    np.testing.assert_allclose(found, wanted.transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("silu", [0, 1])
def test_group_norm_follows_its_definition(rng: np.random.Generator, last: int, silu: int) -> None:
    data, scale, bias = floats(rng, 2, 6, 3, 5), floats(rng, 6), floats(rng, 6)
    groups = data.reshape(2, 3, -1)
    normal = (groups - groups.mean(2, keepdims=True)) / np.sqrt(groups.var(2, keepdims=True) + 1e-5)
    wanted = normal.reshape(data.shape) * scale[:, None, None] + bias[:, None, None]
    wanted = wanted / (1 + np.exp(-wanted)) if silu else wanted
    given = data.transpose(0, 2, 3, 1).copy() if last else data
    inputs = {"x": given, "scale": scale, "bias": bias}
    found = standard_result("GroupNorm", inputs, groups=3, epsilon=1e-5, activation=silu, channels_last=last)
    np.testing.assert_allclose(found.transpose(0, 3, 1, 2) if last else found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "parameters"),
    [
        *(("", []), ("Relu", []), ("Tanh", []), ("Sigmoid", [])),
        *(("LeakyRelu", [0.3]), ("Clip", [-0.5, 0.75]), ("HardSigmoid", [0.3, 0.4])),
    ],
)
@pytest.mark.parametrize("added", [False, True])
def test_a_convolution_with_an_activation_keeps_its_values(
    rng: np.random.Generator, activation: str, parameters: list[float], added: bool
) -> None:
    inputs = {"x": floats(rng, 1, 4, 6, 6), "w": floats(rng, 4, 2, 3, 3), "b": floats(rng, 4)}
    if added:
        inputs["z"] = floats(rng, 1, 4, 3, 3)
    attributes: dict[str, Any] = {"activation": activation} if activation else {}
    if parameters:
        attributes["activation_params"] = parameters
    assert_standard("FusedConv", inputs, group=2, pads=[1, 1, 1, 1], strides=[2, 2], targets=(17, 7), **attributes)


@pytest.mark.parametrize(
    ("activation", "parameters"),
    [
        *(("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.3}), ("Tanh", {}), ("Softplus", {})),
        *(("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.4}), ("Elu", {"activation_alpha": 0.7})),
    ],
)
def test_a_gemm_with_an_activation_keeps_its_values(
    rng: np.random.Generator, activation: str, parameters: dict[str, float]
) -> None:
    inputs = {"a": floats(rng, 3, 4), "b": floats(rng, 5, 3), "c": floats(rng, 5)}
    attributes: dict[str, Any] = {"activation": activation, **parameters}
    assert_standard("FusedGemm", inputs, transA=1, transB=1, alpha=0.7, beta=0.4, targets=(17, 7), **attributes)


@pytest.mark.parametrize("operator", ["FusedMatMul", "TransposeMatMul"])
@pytest.mark.parametrize(("left", "right"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_product_of_transposed_matrices_keeps_its_values(
    rng: np.random.Generator, operator: str, left: int, right: int
) -> None:
    a, b = floats(rng, 2, 3, 4, 5), floats(rng, 3, 5, 6)
    inputs = {"a": a.swapaxes(2, 3).copy() if left else a, "b": b.swapaxes(1, 2).copy() if right else b}
    assert_standard(operator, inputs, transA=left, transB=right, alpha=0.25, targets=(17, 9))


@pytest.mark.parametrize("last", [0, 1])
def test_fused_matmul_with_batch_axes_exchanged(rng: np.random.Generator, last: int) -> None:
    left = floats(rng, 4, 2, 3, 5)  # 4 becomes the row, or the column with the last two exchanged
    right = floats(rng, 2, 3, 4, 6) if last else floats(rng, 2, 3, 5, 6)
    assert_standard("FusedMatMul", {"a": left, "b": right}, transBatchA=1, transA=last)


@pytest.mark.parametrize("simplified", [False, True])
@pytest.mark.parametrize("total", [False, True])
def test_skip_layer_normalization(rng: np.random.Generator, simplified: bool, total: bool) -> None:
    inputs = {name: floats(rng, 2, 3, 8) for name in ("x", "skip")} | {"scale": floats(rng, 8)}
    if not simplified:
        inputs["beta"] = floats(rng, 8)
    inputs["bias"] = floats(rng, 8)
    operator = "SkipSimplifiedLayerNormalization" if simplified else "SkipLayerNormalization"
    outputs = ("y", "", "", "sum") if total else ("y",)
    assert_standard(operator, inputs, outputs, targets=(17, 12), epsilon=1e-5, tolerance=1e-4)


def test_what_onnx_runtime_writes_into_the_default_domain(rng: np.random.Generator) -> None:
    inputs = {"x": floats(rng, 2, 3, 8), "scale": floats(rng, 8)}
    assert_standard("SimplifiedLayerNormalization", inputs, domain="", axis=-1, epsilon=1e-5, targets=(17, 13))
    model = contrib_model("LayerNormalization", inputs, domain="", of_opset=13, axis=-1)
    converted = convert_version(model, None, standard=True)
    assert "LayerNormalization" not in {node.op_type for node in converted.graph.node}
    np.testing.assert_allclose(run(converted, inputs)[0], run(model, inputs)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("places", [False, True])
def test_embed_layer_normalization(rng: np.random.Generator, segments: bool, mask: bool, places: bool) -> None:
    ids = lambda most: rng.integers(0, most, (2, 4), dtype=np.int32)  # noqa: E731
    inputs = {
        "ids": ids(9),
        "segments" if segments else "_segments": ids(2),
        "words": floats(rng, 9, 8),
        "positions": floats(rng, 6, 8),
        "kinds" if segments else "_kinds": floats(rng, 2, 8),
        "scale": floats(rng, 8),
        "bias": floats(rng, 8),
        "mask" if mask else "_mask": np.array([[1, 1, 0, 0], [1, 1, 1, 1]], dtype=np.int32),
        "places" if places else "_places": ids(6),
    }
    outputs = ("y", "counts", "sum")
    assert_standard("EmbedLayerNormalization", inputs, outputs, targets=(17, 13), epsilon=1e-6, tolerance=1e-4)


def attention_inputs(rng: np.random.Generator, width: int = 24) -> dict[str, np.ndarray]:
    return {"x": floats(rng, 2, 4, 8), "w": floats(rng, 8, width), "b": floats(rng, width)}


MASKS = {
    "_none": np.zeros(0, np.int32),
    "ends": np.array([2, 4], np.int32),
    "ends_and_starts": np.array([3, 4, 1, 0], np.int32),
    "raw": np.array([[1, 1, 0, 0], [1, 1, 1, 0]], np.int32),
    "square": np.tril(np.ones((2, 4, 4), np.int32)),
    "nothing": np.zeros((2, 4), np.int32),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("causal", [0, 1])
def test_attention_takes_masks_of_every_form(rng: np.random.Generator, mask: str, causal: int) -> None:
    inputs = attention_inputs(rng) | {mask: MASKS[mask]}
    assert_standard("Attention", inputs, num_heads=2, unidirectional=causal, targets=(17, 12))


def test_attention_with_a_past_and_a_scale(rng: np.random.Generator) -> None:
    inputs = attention_inputs(rng) | {"_mask": MASKS["_none"], "past": floats(rng, 2, 2, 2, 3, 4)}
    outputs = ("y", "present")
    assert_standard("Attention", inputs, outputs, num_heads=2, unidirectional=1, scale=0.3, targets=(17, 13))


def test_attention_with_a_bias_of_the_scores(rng: np.random.Generator) -> None:
    inputs = attention_inputs(rng) | {"mask": MASKS["raw"], "_past": MASKS["_none"], "added": floats(rng, 1, 2, 4, 4)}
    assert_standard("Attention", inputs, num_heads=2)


def test_attention_with_sizes_of_its_own_for_values(rng: np.random.Generator) -> None:
    inputs = attention_inputs(rng, 8 + 8 + 4) | {"mask": MASKS["raw"]}
    assert_standard("Attention", inputs, num_heads=2, qkv_hidden_sizes=[8, 8, 4], mask_filter_value=-3.5)


@pytest.mark.parametrize(
    "mask", [None, np.array([[1, 1, 0, 0, 1], [0, 1, 1, 0, 1]], np.int32), np.array([3, 5], np.int32)]
)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("causal", [0, 1])
def test_multi_head_attention(rng: np.random.Generator, mask: np.ndarray | None, bias: bool, causal: int) -> None:
    inputs = {"q": floats(rng, 2, 5, 8), "k": floats(rng, 2, 5, 8), "v": floats(rng, 2, 5, 12)}
    inputs["b" if bias else "_b"] = floats(rng, 28)
    if mask is not None:
        inputs["mask"] = mask
    assert_standard("MultiHeadAttention", inputs, num_heads=2, unidirectional=causal, targets=(17, 13))


def test_multi_head_attention_with_a_past(rng: np.random.Generator) -> None:
    inputs = {name: floats(rng, 2, 3, 8) for name in "qkv"} | {"_b": MASKS["_none"], "_m": MASKS["_none"]}
    inputs |= {"added": floats(rng, 1, 2, 3, 5), "past_k": floats(rng, 2, 2, 2, 4), "past_v": floats(rng, 2, 2, 2, 4)}
    assert_standard("MultiHeadAttention", inputs, ("y", "k2", "v2"), num_heads=2, unidirectional=1)


def test_multi_head_attention_over_tensors_that_hold_two_or_three(rng: np.random.Generator) -> None:
    """ONNX Runtime has no kernels for them on the processor: it is given the parts."""
    parts = [floats(rng, 2, 5, 2, 4) for _ in range(3)]
    query, key, value = (part.reshape(2, 5, 8) for part in parts)
    apart = {"q": query, "k": key, "v": value}
    wanted = run(contrib_model("MultiHeadAttention", apart, num_heads=2), apart)[0]
    for inputs in ({"qkv": np.stack(parts, axis=3)}, {"q": query, "kv": np.stack(parts[1:], axis=3)}):
        model = convert_version(contrib_model("MultiHeadAttention", inputs, num_heads=2), 17, standard=True)
        np.testing.assert_allclose(run(model, inputs)[0], wanted, rtol=1e-5, atol=1e-5)


def test_multi_head_attention_over_a_key_of_another_model(rng: np.random.Generator) -> None:
    inputs = {"q": floats(rng, 2, 3, 8), "k": floats(rng, 2, 2, 5, 4), "v": floats(rng, 2, 2, 5, 4)}
    assert_standard("MultiHeadAttention", inputs, num_heads=2)


def test_an_operator_without_a_standard_form_is_refused_by_name(rng: np.random.Generator) -> None:
    model = contrib_model("Inverse", {"x": floats(rng, 2, 2)})
    with pytest.raises(OpsetError, match=r"\(Inverse\): no form in standard operators is known"):
        convert_version(model, 17, standard=True)
    assert [node.op_type for node in convert_version(model, 16).graph.node] == ["Inverse"]


def test_the_blocked_layout_of_one_machine_is_refused(rng: np.random.Generator) -> None:
    model = contrib_model("Conv", {"x": floats(rng, 1, 8, 4, 4)}, domain="com.microsoft.nchwc")
    with pytest.raises(OpsetError, match=r"com\.microsoft\.nchwc.*level extended"):
        convert_version(model, 17, standard=True)


def test_half_precision_is_kept(rng: np.random.Generator) -> None:
    inputs = {"x": floats(rng, 2, 8, dtype=np.float16), "scale": floats(rng, 8, dtype=np.float16)}
    for operator in ("Gelu", "QuickGelu"):
        model = convert_version(contrib_model(operator, {"x": inputs["x"]}), 17, standard=True)
        assert model.graph.output[0].type.tensor_type.elem_type in (0, TensorProto.FLOAT16)
