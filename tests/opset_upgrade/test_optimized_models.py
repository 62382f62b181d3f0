"""Models that ONNX Runtime has optimized become standard ones that compute the same."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, checker, helper

from tests.opset_upgrade.bert import TOKENS, bert
from tests.opset_upgrade.nodes import OLD_ONNX_RUNTIME
from tests.shared_data import SHARED, needs_shared
from zoosmith.opset_upgrade import convert_version

_LEVEL = onnxruntime.GraphOptimizationLevel


def _session(
    model: bytes, level: _LEVEL = _LEVEL.ORT_DISABLE_ALL, saved: Path | None = None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    if saved is not None:
        options.optimized_model_filepath = str(saved)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _optimized(model: bytes, folder: Path) -> ModelProto:
    _session(model, _LEVEL.ORT_ENABLE_EXTENDED, folder / "optimized.onnx")
    return onnx.load(folder / "optimized.onnx")


# in a process of its own: the optimizer imports its modules by names that a checkout of this project has, too
_OPTIMIZER = """
import os, sys
import onnxruntime
sys.path.insert(0, os.path.join(os.path.dirname(onnxruntime.__file__), "transformers"))
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
source, result, kind, multi_head = sys.argv[1:]
options = FusionOptions(kind)
options.use_multi_head_attention = bool(int(multi_head))
heads, width = (2, 16) if kind == "bert" else (0, 0)
made = optimize_model(source, kind, heads, width, optimization_options=options, opt_level=0)
made.save_model_to_file(result)
"""


def _fused(source: Path, folder: Path, kind: str, *, multi_head: bool = False) -> ModelProto:
    """The model after the optimizer for transformers that ONNX Runtime brings."""
    result = folder / "fused.onnx"
    command = [sys.executable, "-c", _OPTIMIZER, str(source), str(result), kind, str(int(multi_head))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"the optimizer does not run here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return onnx.load(result)


def _fused_operators(model: ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node if node.domain == "com.microsoft"}


def _assert_standard(model: ModelProto, feeds: Mapping[str, np.ndarray], wanted: list, tolerance: float) -> None:
    for target in (None, 13, 11):
        converted = convert_version(model, target, standard=True)
        checker.check_model(converted, full_check=True)
        assert {node.domain for node in converted.graph.node} == {""}
        found = _session(converted.SerializeToString()).run(None, dict(feeds))
        for one, other in zip(wanted, found, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-3, atol=tolerance)


def _feeds(model: ModelProto) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    initializers = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for value in model.graph.input:
        if value.name in initializers:
            continue
        tensor = value.type.tensor_type
        shape = [dim.dim_value or (2 if dim.dim_param == "batch" else 8) for dim in tensor.shape.dim]
        kind = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        floats = np.issubdtype(kind, np.floating)
        feeds[value.name] = (rng.normal(size=shape) if floats else rng.integers(1, 2, shape)).astype(kind)
    return feeds


def test_what_level_extended_fuses_becomes_standard_at_every_opset(tmp_path: Path) -> None:
    """Convolution with its activation, MatMul with a Transpose and a factor, SiLU; in a branch as well."""
    make = helper.make_node
    branch = helper.make_graph(
        [make("Conv", ["x", "w"], ["c2"], pads=[1, 1, 1, 1]), make("LeakyRelu", ["c2"], ["t"], alpha=0.2)],
        *("then", [], [helper.make_tensor_value_info("t", 1, None)]),
    )
    other = helper.make_graph([make("Neg", ["r"], ["e"])], "else", [], [helper.make_tensor_value_info("e", 1, None)])
    nodes = [
        make("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        make("Relu", ["c"], ["r"]),
        make("If", ["flag"], ["i"], then_branch=branch, else_branch=other),
        make("Sigmoid", ["i"], ["s"]),
        make("Mul", ["i", "s"], ["silu"]),
        make("Transpose", ["silu"], ["turned"], perm=[0, 1, 3, 2]),
        make("MatMul", ["silu", "turned"], ["m"]),
        make("Mul", ["m", "half"], ["y"]),
    ]
    weights = np.random.default_rng(1).normal(size=(3, 3, 3, 3)).astype(np.float32)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", 1, ["batch", 3, "h", "w"]), value("flag", onnx.TensorProto.BOOL, [])],
        [value("y", 1, ["batch", 3, "h", "h"])],
        [onnx.numpy_helper.from_array(weights, "w"), onnx.numpy_helper.from_array(np.float32([0.5]), "half")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    optimized = _optimized(model.SerializeToString(), tmp_path)
    fused = {node.op_type for node in optimized.graph.node if node.domain}
    assert {"FusedConv", "FusedMatMul", "QuickGelu"} <= fused
    for flag in (True, False):
        feeds = {"x": np.random.default_rng(2).normal(size=(2, 3, 5, 6)).astype(np.float32), "flag": np.array(flag)}
        wanted = _session(model.SerializeToString()).run(None, feeds)[0]
        for target in (None, 21, 13, 11):
            converted = convert_version(optimized, target, standard=True)
            checker.check_model(converted, full_check=True)
            assert {entry.domain for entry in converted.opset_import} == {""}
            result = _session(converted.SerializeToString()).run(None, feeds)[0]
            np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-5)


@needs_shared
def test_types_are_known_past_what_was_fused(tmp_path: Path) -> None:
    """Ranks after a QuickGelu: a step of Reshape and one of MatMul need them."""
    optimized = _optimized((SHARED / "models" / "diffusion_ts17.onnx").read_bytes(), tmp_path)
    converted = convert_version(optimized, 13, standard=True)
    assert {node.domain for node in converted.graph.node} == {""}


@needs_shared
@pytest.mark.parametrize("name", ["bert_dyn23", "bert_ts17", "gpt2_ts14", "vit_dyn23", "unet_ts17", "segformer_ts17"])
def test_a_real_model_is_the_same_after_it_was_optimized_and_made_standard(name: str, tmp_path: Path) -> None:
    data = (SHARED / "models" / f"{name}.onnx").read_bytes()
    optimized = _optimized(data, tmp_path)
    assert any(node.domain == "com.microsoft" for node in optimized.graph.node)
    converted = convert_version(optimized, None, standard=True)
    checker.check_model(converted, full_check=True)
    assert {node.domain for node in converted.graph.node} == {""}
    feeds = _feeds(onnx.load_from_string(data))
    for wanted, found in zip(
        _session(data).run(None, feeds), _session(converted.SerializeToString()).run(None, feeds), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("multi_head", [False, True])
def test_a_bert_that_the_transformer_optimizer_fused_becomes_standard(multi_head: bool, tmp_path: Path) -> None:
    model = bert()
    onnx.save(model, tmp_path / "bert.onnx")
    fused = _fused(tmp_path / "bert.onnx", tmp_path, "bert", multi_head=multi_head)
    attention = "MultiHeadAttention" if multi_head else "Attention"
    assert _fused_operators(fused) == {
        *(attention, "BiasGelu", "EmbedLayerNormalization", "SkipLayerNormalization"),
    }
    rng = np.random.default_rng(1)
    ids, kinds = rng.integers(0, TOKENS, (3, 5)), rng.integers(0, 2, (3, 5))
    mask = np.array([[1, 1, 1, 0, 0], [1] * 5, [1, 0, 0, 0, 0]])
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}
    wanted = _session(model.SerializeToString()).run(None, feeds)
    _assert_standard(fused, feeds, wanted, 1e-5)
    assert convert_version(fused, 9, standard=True).opset_import[0].version == 9


@needs_shared
@pytest.mark.parametrize(
    ("name", "kind", "operators"),
    [
        ("bert_ts17", "bert", {"BiasGelu", "SkipLayerNormalization"}),
        ("gpt2_ts14", "gpt2", {"FastGelu", "SkipLayerNormalization"}),
        ("vit_dyn18", "vit", {"BiasGelu", "SkipLayerNormalization"}),
        ("encoder_dyn18", "bert", {"SkipLayerNormalization"}),
    ],
)
def test_an_export_that_the_transformer_optimizer_fused_becomes_standard(
    name: str, kind: str, operators: set[str], tmp_path: Path
) -> None:
    source = SHARED / "models" / f"{name}.onnx"
    fused = _fused(source, tmp_path, kind)
    # ONNX Runtime 1.23 knows fewer patterns of torch's newer exporter
    assert operators <= _fused_operators(fused) or (OLD_ONNX_RUNTIME and "_dyn" in name)
    original = onnx.load(source)
    feeds = _feeds(original)
    wanted = _session(original.SerializeToString()).run(None, feeds)
    _assert_standard(fused, feeds, wanted, 1e-4)


@needs_shared
def test_a_diffusion_model_that_the_optimizer_fused_for_a_graphics_card_becomes_standard(tmp_path: Path) -> None:
    """NhwcConv, GroupNorm, SkipGroupNorm and BiasSplitGelu have no kernel on the processor, their standard forms do."""
    source = SHARED / "models" / "diffusion_ts17.onnx"
    fused = _fused(source, tmp_path, "unet")
    assert {"NhwcConv", "GroupNorm", "SkipGroupNorm", "BiasSplitGelu"} <= _fused_operators(fused)
    original = onnx.load(source)
    feeds = _feeds(original)
    _assert_standard(fused, feeds, _session(original.SerializeToString()).run(None, feeds), 1e-3)
