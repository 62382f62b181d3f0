"""Which operators the interpreter must run."""

import pytest

from tests.validation.caffe2_nets import net_of
from zoosmith.validation.interpreter.liveness import needed_operators


def needed(*steps, outputs="y", optional=None):
    operators = net_of(*steps).op
    everything = set(range(len(operators)))
    return sorted(needed_operators(operators, outputs.split(), optional=everything if optional is None else optional))


def test_what_the_outputs_are_computed_from_is_needed_and_nothing_else():
    assert needed(("A", "x", "a"), ("B", "x", "b"), ("C", "a", "y")) == [0, 2]


def test_what_is_not_optional_is_needed_with_all_that_it_reads():
    assert needed(("A", "x", "a"), ("B", "a", "b"), ("C", "x", "y"), optional={0, 2}) == [0, 1, 2]


def test_a_later_writer_is_not_needed_for_an_earlier_reader():
    assert needed(("A", "x", "a"), ("C", "a", "y"), ("B", "x", "b"), ("D", "b", "c")) == [0, 1]


def test_all_earlier_writers_of_a_blob_are_needed():
    assert needed(("A", "x", "a"), ("B", "x", "a"), ("C", "a", "y")) == [0, 1, 2]


@pytest.mark.parametrize(
    "step",
    [("B", "x", ""), ("B", "x", "x"), ("B", "z", "a"), ("B", "z", "x"), ("B", "x", "b", {"then_net": "n"})],
    ids=["without outputs", "in place", "over a written blob", "over a read blob", "with a net of its own"],
)
def test_an_operator_with_effects_beyond_its_outputs_is_needed(step):
    assert needed(("A", "x", "a"), step, ("C", "a", "y")) == [0, 1, 2]


def test_an_operator_that_writes_one_wanted_blob_of_several_is_needed():
    assert needed(("A", "x", "a y"), ("B", "x", "b c")) == [0]
