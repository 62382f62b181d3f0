"""The script that breaks the code finds behaviours, not words."""

import ast

import pytest

from tests.mutants import ROOT, choose, mutants_of, sources

SOURCE = b'''"""A module of 3 words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    LIMIT = 1


def area(a: "list[int]", b: int = 2) -> "int":
    """Not 5."""
    note: "dict[str, 7]" = {}
    if a is None and b >= 3:
        raise ValueError("neither 4 nor four")
    record(f"{a} of 6", help="word", key=True)
    return a * -b
'''


def found():
    return {(mutant.kind, mutant.before, mutant.text) for mutant in mutants_of("room/area.py", SOURCE)}


def test_every_kind_of_change_is_found():
    assert {
        ("change a constant", "2", "3"),
        ("flip a comparison", "is", "is not"),
        ("flip a comparison", ">=", "<"),
        ("swap and with or", "and", "or"),
        ("swap the branches", "a is None and b >= 3", "not (a is None and b >= 3)"),
        ("drop a refusal", 'raise ValueError("neither 4 nor four")', "pass"),
        ("drop a call", 'record(f"{a} of 6", help="word", key=True)', "pass"),
        ("delete a keyword argument", "key=True", ""),
        ("change the arithmetic", "*", "+"),
        ("drop a sign or not", "-b", "(b)"),
    } <= found()
    assert any(kind == "return early" for kind, _, _ in found())


def test_docstrings_type_hints_and_messages_are_left_alone():
    touched = {before for kind, before, _ in found() if kind == "change a constant"}
    assert touched == {"2", "3", "True"}


@pytest.mark.skipif(not (ROOT / "onnx_model").is_dir(), reason="an sdist has the rooms below zoosmith/ alone")
def test_a_seed_chooses_the_same_valid_changes_each_time():
    mutants = [mutant for file, source in sources(["onnx_model"]) for mutant in mutants_of(file, source)]
    first = choose(mutants, 12, 3)
    assert first == choose(mutants, 12, 3) and first != choose(mutants, 12, 4)
    assert len({mutant.key for mutant in first}) == 12
    contents = dict(sources(["onnx_model"]))
    for mutant in first:
        ast.parse(mutant.applied(contents[mutant.file]))
