"""The random search over conversions between opsets. `python -m tests.opset_search` makes thousands of nets."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests import opset_search
from zoosmith.validation import OnnxRuntimeRunner

ONES = np.ones(2, np.float32)


def test_a_net_of_a_number_is_always_the_same() -> None:
    first, second = (opset_search.search(3, number) for number in (7, 7))
    assert first == second


def test_some_nets_of_a_seed_are_converted_and_give_the_same_values() -> None:
    found = [opset_search.search(1, number)[0] for number in range(40)]
    assert found.count("same") > 5
    assert not set(found) & {"wrong", "does not run", "error"}


def test_another_value_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opset_search, "_difference", lambda one, other: "another value")
    monkeypatch.setattr(opset_search, "_is_unstable", lambda model, fed, expected: False)
    assert "wrong" in [opset_search.search(1, number)[0] for number in range(20)]


def test_a_value_is_disputed_where_the_reference_evaluator_makes_it_of_the_original(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = next(number for number in range(20) if opset_search.search(1, number)[0] == "same")
    differences = iter(["another value"])
    monkeypatch.setattr(opset_search, "_difference", lambda one, other: next(differences, ""))
    assert opset_search.search(1, number)[0] == "disputed"


def test_a_result_that_does_not_run_is_a_finding_though_the_reference_evaluator_cannot_run_the_original(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = next(number for number in range(20) if opset_search.search(1, number)[0] == "same")

    def fails(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(opset_search, "_held", lambda *_: ("does not run", ""))
    monkeypatch.setattr(opset_search, "ReferenceEvaluator", fails)
    assert opset_search.search(1, number)[0] == "does not run"


def test_a_net_whose_results_change_with_the_last_digits_of_its_values_is_unstable() -> None:
    nodes = [onnx.helper.make_node("Mul", ["x", "w"], ["p"]), onnx.helper.make_node("Hardmax", ["p"], ["y"])]
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy"]
    graph = onnx.helper.make_graph(nodes, "g", ports[:1], ports[1:], [onnx.numpy_helper.from_array(ONES, "w")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    for second, unstable in ((1.0, True), (1.5, False)):
        fed = {"x": np.array([1, second], np.float32)}
        expected = OnnxRuntimeRunner(model).run(fed)
        assert opset_search._is_unstable(model, fed, expected) == unstable


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for count in (10, 20):
        assert opset_search.main(["--count", str(count), "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-2].startswith("20 nets: ")
