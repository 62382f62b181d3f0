"""How far down a model can be taken, and what stops it there."""

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper, parser

from zoosmith.onnx_model.loading import load_in_place
from zoosmith.onnx_model.saving import save_model
from zoosmith.opset_upgrade import OpsetError, convert, convert_version, reach

ERF = "(float[2, 3] x) => (float[2, 3] y) { a = Gelu (x)  b = Bernoulli (a)  y = Relu (b) }"


def parsed(text: str, opset: int) -> ModelProto:
    return parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]> g {text}')


def test_a_model_that_goes_to_opset_1_has_nothing_in_its_way() -> None:
    found = reach(parsed("(float[2, 3] x) => (float[2, 3] y) { a = Abs (x)  y = Floor (a) }", 13))
    assert (found.opset, found.lowest, found.blockers) == (13, 1, ())
    assert str(found) == "opset 13, reaches 1"


def test_the_lowest_opset_is_the_last_to_which_a_conversion_succeeds() -> None:
    model = parsed(ERF, 20)
    found = reach(model)
    assert convert_version(model, found.lowest).opset_import[0].version == found.lowest
    with pytest.raises(OpsetError) as refused:
        convert_version(model, found.lowest - 1)
    assert found.blockers == refused.value.blockers
    assert {blocker.operator for blocker in found.blockers} == {"Bernoulli"}
    assert f"; {found.lowest - 1} is blocked by 1 x Bernoulli: " in str(found)


def test_the_json_has_the_nodes_that_are_in_the_way() -> None:
    assert [blocker["operator"] for blocker in reach(parsed(ERF, 20)).as_dict()["blockers"]] == ["Bernoulli"]


def test_nodes_of_one_operator_with_one_reason_are_named_together() -> None:
    model = parsed("(float[2, 3] x) => (float[2, 3] y) { a = Bernoulli (x)  b = Relu (a)  y = Bernoulli (b) }", 20)
    for node, name in zip(model.graph.node, ("first", "between", "last"), strict=True):
        node.name = name
    with pytest.raises(OpsetError, match=r"for all\): node 'first', node 'last' \(Bernoulli\): [^.]*$") as refused:
        convert_version(model, 14)
    assert len(refused.value.blockers) == 2


def test_with_exact_a_way_that_holds_with_a_caveat_only_is_in_the_way() -> None:
    text = """(float[n, k] x, int64[2] s) => (float[p, q] y) { y = Reshape <allowzero = 1> (x, s) }"""
    model = parsed(text, 14)
    assert reach(model).lowest < reach(model, exact=True).lowest == 14
    assert reach(model).caveats == convert(model, reach(model).lowest).caveats


def test_the_data_of_large_tensors_is_not_needed(tmp_path: Path) -> None:
    model = parsed("(float[2, 300] x) => (float[2, 300] y) { a = MatMul (x, w)  y = Celu (a) }", 13)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((300, 300), np.float32), "w"))
    save_model(model, tmp_path / "model.onnx")
    assert reach(load_in_place(tmp_path / "model.onnx")) == reach(model)


def test_a_malformed_node_is_an_error_not_a_reach() -> None:
    model = parsed("(float[2, 3] x) => (float[2, 3] y) { y = Relu (x, x) }", 13)
    with pytest.raises(OpsetError, match="it has 2 inputs"):
        reach(model)
