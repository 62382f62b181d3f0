"""Products behind a transposition of the batch: computed in float32, their weights stored in float16."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoosmith.quantize.half_precision import to_half
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.writing.batch_transposes import products_of_moved_batches
from zoosmith.validation import runner_for


def net(axes: list[int], *, between: str | None = None) -> onnx.ModelProto:
    """A sequence (3, 4, 5), transposed and multiplied by weights."""
    shape = [(3, 4, 5)[axis] for axis in axes]
    weights = (np.random.RandomState(0).randn(shape[2], 64) / 3).astype(np.float32)
    nodes = [helper.make_node("Transpose", ["x"], ["moved"], perm=axes)]
    if between is not None:
        nodes.append(helper.make_node(between, ["moved"], ["given"]))
    nodes.append(helper.make_node("MatMul", ["given" if between else "moved", "w"], ["y"]))
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)]
        for name, sizes in (("x", [3, 4, 5]), ("y", [*shape[:2], 64]))
    )
    graph = helper.make_graph(nodes, "net", inputs, outputs, [numpy_helper.from_array(weights, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("axes", [[1, 0, 2], [1, 2, 0]])
@pytest.mark.parametrize("between", [None, "Identity"])
def test_a_product_of_a_moved_batch_loads_and_its_weights_are_half_as_large(
    axes: list[int], between: str | None
) -> None:
    model = net(axes, between=between)
    half = to_half(model, random_samples(model, 2), "float16").model
    onnx.checker.check_model(half, full_check=True)
    assert [tensor.data_type for tensor in half.graph.initializer] == [TensorProto.FLOAT16]
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in onnx.shape_inference.infer_shapes(half).graph.value_info
    }
    [product] = [node for node in half.graph.node if node.op_type == "MatMul"]
    assert {types[name] for name in product.input} == {TensorProto.FLOAT}
    [sample] = random_samples(model, 1, seed=9)
    [(name, wanted)] = runner_for(model).run(sample).items()
    np.testing.assert_allclose(runner_for(half).run(sample)[name], wanted, atol=5e-3)


@pytest.mark.parametrize("axes", [[0, 2, 1], [2, 0, 1], [2, 1, 0]])
def test_other_transpositions_are_float16(axes: list[int]) -> None:
    model = net(axes)
    assert products_of_moved_batches(model.graph) == set()
    half = to_half(model, random_samples(model, 2), "float16").model
    assert [node.op_type for node in half.graph.node] == ["Cast", "Transpose", "MatMul", "Cast"]
