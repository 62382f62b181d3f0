"""Files are valid ONNX, or it is said why they are not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

from zoosmith.onnx_model.checking import check_file
from zoosmith.onnx_model.errors import InvalidModelError, ModelError


def product(rows: int) -> ModelProto:
    """A MatMul by a weight of that many rows and 256 columns, and a Reshape by a small constant."""
    model = parser.parse_model(
        f'<ir_version: 8, opset_import: ["": 13]> g (float[2,{rows}] x) => (float[512] y)'
        "{ p = MatMul (x, w)  y = Reshape (p, s) }"
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones((rows, 256), np.float32), "w"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([512]), "s"))
    return model


def saved(model: ModelProto, path: Path, **options: object) -> Path:
    onnx.save(model, path, **options)
    return path


@pytest.mark.parametrize("rows", [4, 512])
def test_a_valid_file_passes_whether_its_weights_are_small_or_large(rows: int, tmp_path: Path) -> None:
    check_file(saved(product(rows), tmp_path / "m.onnx"))


def test_a_file_with_tensors_beside_it_passes(tmp_path: Path) -> None:
    options = {"save_as_external_data": True, "location": "weights", "size_threshold": 0}
    check_file(saved(product(512), tmp_path / "m.onnx", **options))
    (tmp_path / "weights").unlink()
    with pytest.raises(ModelError):
        check_file(tmp_path / "m.onnx")


def test_shapes_that_contradict_each_other_are_found_though_no_weight_is_read(tmp_path: Path) -> None:
    model = product(512)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 513
    with pytest.raises(InvalidModelError, match="onnx's checker refuses it"):
        check_file(saved(model, tmp_path / "m.onnx"))


@pytest.mark.parametrize("broken", ["attribute", "output", "version"])
def test_what_the_checker_refuses_is_refused(broken: str, tmp_path: Path) -> None:
    model = product(4)
    if broken == "attribute":
        model.graph.node[0].attribute.append(helper.make_attribute("bogus", 3))
    elif broken == "output":
        model.graph.node.append(helper.make_node("Neg", ["p"], ["y"]))
    else:
        model.ir_version = 2**40
    with pytest.raises(InvalidModelError):
        check_file(saved(model, tmp_path / "m.onnx"))


def reshape_of_opset_1(**attributes: object) -> ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2]) for name in "xy"]
    node = helper.make_node("Reshape", ["x"], ["y"], name="flat", **attributes)
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 1)], ir_version=3)


def test_a_reshape_without_a_shape_is_refused_though_the_checker_takes_it(tmp_path: Path) -> None:
    check_file(saved(reshape_of_opset_1(shape=[2, 2]), tmp_path / "with.onnx"))
    path = saved(reshape_of_opset_1(), tmp_path / "without.onnx")
    onnx.checker.check_model(str(path), full_check=True)
    with pytest.raises(InvalidModelError, match=r"'flat' \(Reshape\) has no shape"):
        check_file(path)
