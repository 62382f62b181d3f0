"""Decompositions have few nodes, in forms that ONNX Runtime fuses: what a model costs at an older opset."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, parser

from tests.opset_upgrade.node_cases import assert_same
from tests.opset_upgrade.nodes import Constant, node_model, run
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.opset_upgrade import convert_version

DATA = np.random.RandomState(0).standard_normal((2, 3, 4)).astype(np.float32)
WEIGHT = Constant(np.linspace(0.5, 2, 4), np.float32)


def counted(model: ModelProto) -> Counter[str]:
    """How many nodes of each operator the model has, in subgraphs too; constants are not counted."""
    return Counter(node.op_type for node in all_nodes(model.graph) if node.op_type != "Constant")


def optimized(model: ModelProto, folder: Path) -> Counter[str]:
    """How many nodes of each operator ONNX Runtime runs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return counted(onnx.load(options.optimized_model_filepath))


def lowered(target: int, operator: str, opset: int, *inputs: Any, **attributes: Any) -> ModelProto:
    """A model of one node at the target; it computes what it did."""
    model, feeds = node_model(operator, opset, *inputs, **attributes)
    converted = convert_version(model, target)
    for name, expected in run(model, feeds).items():
        assert_same(expected, run(converted, feeds)[name])
    return converted


@pytest.mark.parametrize("target", [16, 13, 9, 7])
def test_a_layer_normalization_is_one_again_in_onnx_runtime(target: int, tmp_path: Path) -> None:
    model = lowered(target, "LayerNormalization", 17, DATA, WEIGHT, Constant(np.arange(4), np.float32))
    assert counted(model) == {"ReduceMean": 2, "Sub": 1, "Pow": 1, "Add": 2, "Sqrt": 1, "Div": 1, "Mul": 1}
    assert optimized(model, tmp_path) == {"LayerNormalization": 1}


def test_a_normalization_by_the_root_mean_square_is_one_again_in_onnx_runtime(tmp_path: Path) -> None:
    model = lowered(17, "RMSNormalization", 23, DATA, WEIGHT)
    assert counted(model) == {"Pow": 1, "ReduceMean": 1, "Add": 1, "Sqrt": 1, "Div": 1, "Mul": 1}
    assert optimized(model, tmp_path) == {"SimplifiedLayerNormalization": 1}


def test_normalizations_of_half_precision_compute_in_single_precision() -> None:
    half = Constant(np.linspace(0.5, 2, 4), np.float16)
    model = lowered(13, "LayerNormalization", 17, DATA.astype(np.float16), half)
    assert counted(model)["Cast"] == 2


@pytest.mark.parametrize("target", [13, 9])
def test_ranks_that_old_inference_loses_are_stated_so_that_onnx_runtime_fuses_on(target: int, tmp_path: Path) -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]> g (float[N, 3, 4] x, float[4] s) => (y) {
      two = Constant <value_ints = [0, 1]> ()
      last = Constant <value_ints = [4]> ()
      shape = Shape (x)
      sizes = Gather (shape, two)
      wanted = Concat <axis = 0> (sizes, last)
      same = Reshape (x, wanted)
      y = LayerNormalization (same, s) }""")
    model.graph.output[0].type.tensor_type.elem_type = 1
    converted = convert_version(model, target)
    stated = {value.name: value.type.tensor_type.shape.dim for value in converted.graph.value_info}
    assert [size.dim_value for size in stated["same"]] == [0, 3, 4]
    assert optimized(converted, tmp_path)["LayerNormalization"] == 1
