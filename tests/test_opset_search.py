"""The random search over conversions between opsets. `python -m tests.opset_search` makes thousands of nets."""

from pathlib import Path

import pytest

from tests import opset_search


def test_a_net_of_a_number_is_always_the_same() -> None:
    first, second = (opset_search.search(3, number) for number in (7, 7))
    assert first == second


def test_some_nets_of_a_seed_are_converted_and_give_the_same_values() -> None:
    found = [opset_search.search(1, number)[0] for number in range(40)]
    assert found.count("same") > 5
    assert not set(found) & {"wrong", "does not run", "error"}


def test_another_value_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opset_search, "_difference", lambda one, other: "another value")
    assert "wrong" in [opset_search.search(1, number)[0] for number in range(20)]


def test_a_value_is_disputed_where_the_reference_evaluator_makes_it_of_the_original(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = next(number for number in range(20) if opset_search.search(1, number)[0] == "same")
    differences = iter(["another value"])
    monkeypatch.setattr(opset_search, "_difference", lambda one, other: next(differences, ""))
    assert opset_search.search(1, number)[0] == "disputed"


@pytest.mark.slow
def test_a_run_goes_on_where_it_was_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for count in (10, 20):
        assert opset_search.main(["--count", str(count), "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-2].startswith("20 nets: ")
