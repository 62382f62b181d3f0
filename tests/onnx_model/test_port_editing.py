"""Sizes made fixed or symbolic, inputs and outputs renamed."""

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.port_editing import fix_sizes, free_sizes, name_sizes, rename_ports
from zoosmith.onnx_model.ports import input_ports, output_ports

FLOAT = TensorProto.FLOAT


def model_with(*shape: int | str | None) -> ModelProto:
    """An If on `c` whose branches read the input `x`, and a Mul by an initializer of what comes out."""
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(operator, ["x"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, FLOAT, shape)],
        )
        for name, operator in (("then", "Relu"), ("else", "Neg"))
    }
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["z"], **branches), helper.make_node("Mul", ["z", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", FLOAT, shape), helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", FLOAT, shape)],
        [numpy_helper.from_array(np.float32(2), "w")],
        value_info=[helper.make_tensor_value_info("z", FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def shapes(model: ModelProto) -> list[tuple[int | str | None, ...] | None]:
    return [port.shape for port in (input_ports(model.graph)[0], *output_ports(model.graph))]


def test_a_fixed_size_is_fixed_wherever_the_model_states_it() -> None:
    model = model_with("N", 3, "M")
    fix_sizes(model, {"N": 2})
    assert shapes(model) == [(2, 3, "M"), (2, 3, "M")]
    branch = model.graph.node[0].attribute[0].g
    assert branch.output[0].type.tensor_type.shape.dim[0].dim_value == 2
    assert model.graph.value_info[0].type.tensor_type.shape.dim[0].dim_value == 2
    checker.check_model(model, full_check=True)


@pytest.mark.parametrize("place", ["x:1", "x:-1"])
def test_a_size_without_a_name_is_fixed_by_its_place(place: str) -> None:
    model = model_with("N", None)
    fix_sizes(model, {place: 4})
    assert shapes(model)[0] == ("N", 4)


def test_the_place_of_a_symbol_fixes_the_symbol() -> None:
    model = model_with("N", "N")
    fix_sizes(model, {"x:0": 4})
    assert shapes(model) == [(4, 4), (4, 4)]


def test_sizes_that_have_no_name_get_one() -> None:
    model = model_with("N", None)
    assert name_sizes(model, {"N": 2, "x:0": 2, "x:1": 3}) == {"N": 2, "x:1": 3}
    assert shapes(model)[0] == ("N", "x:1")


def test_a_freed_size_is_symbolic_and_what_followed_from_it_is_no_longer_stated() -> None:
    model = model_with(1, 3)
    free_sizes(model, [("x", 0, "N")])
    assert shapes(model) == [("N", 3), (None, None)]
    assert not model.graph.value_info[0].type.tensor_type.HasField("shape")
    checker.check_model(model, full_check=True)


def test_a_renamed_port_is_renamed_in_subgraphs_too() -> None:
    model = model_with(2)
    rename_ports(model, {"x": "image", "y": "mask"})
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["image", "c", "mask"]
    branch = model.graph.node[0].attribute[0].g
    assert list(branch.node[0].input) == ["image"] and list(model.graph.node[1].output) == ["mask"]
    checker.check_model(model, full_check=True)


def test_names_can_be_swapped() -> None:
    model = model_with(2)
    rename_ports(model, {"x": "y", "y": "x"})
    assert [model.graph.input[0].name, model.graph.output[0].name] == ["y", "x"]
    checker.check_model(model, full_check=True)


def test_an_input_that_is_an_initializer_keeps_its_default() -> None:
    model = model_with(2)
    model.graph.input.append(helper.make_tensor_value_info("w", FLOAT, []))
    rename_ports(model, {"w": "scale"})
    assert model.graph.initializer[0].name == "scale" and list(model.graph.node[1].input) == ["z", "scale"]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"M": 1}, "no input has a dimension named 'M' (there are: 'N')"),
        ({"x:1": 1}, "dimension 1 of input 'x' is fixed already, at 3"),
        ({"x:2": 1}, "input 'x' has 2 dimensions, none numbered 2"),
        ({"q:0": 1}, "'q' is no input of the model; those are 'x', 'c'"),
    ],
)
def test_a_size_that_is_not_there_is_refused(sizes: dict[str, int], words: str) -> None:
    with pytest.raises(ModelError) as raised:
        fix_sizes(model_with("N", 3), sizes)
    assert words in str(raised.value)


def test_an_input_without_a_stated_rank_has_no_sizes_to_free() -> None:
    model = model_with(2)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ModelError, match="does not state how many dimensions input 'x' has"):
        free_sizes(model, [("x", 0, "N")])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"z": "q"}, "'z' is no input or output of the model; those are 'x', 'c', 'y'"),
        ({"x": "z"}, "'x' cannot be renamed to 'z': the model uses that name already"),
        ({"x": "then"}, "the model uses that name already"),
        ({"x": "q", "y": "q"}, "the model uses that name already"),
    ],
)
def test_a_name_that_cannot_be_given_is_refused(names: dict[str, str], words: str) -> None:
    with pytest.raises(ModelError) as raised:
        rename_ports(model_with(2), names)
    assert words in str(raised.value)
