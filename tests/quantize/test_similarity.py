"""Outputs of a float and an integer model are held against each other by their cosine."""

from itertools import combinations

import numpy as np
import pytest

from tests.optimize.nets import Net
from zoosmith.quantize import quantize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.similarity import CosineLoss, cosine, probable_cosine
from zoosmith.quantize.target import Target
from zoosmith.validation import OnnxRuntimeRunner


def rows(*values: object, name: str = "y") -> list[dict[str, np.ndarray]]:
    return [{name: np.asarray(value, np.float32)} for value in values]


def test_the_cosine_is_that_over_all_samples_together() -> None:
    exact, found = rows([1, 0], [0, 2]), rows([1, 1], [0, 2])
    assert cosine(exact, found) == pytest.approx(5 / np.sqrt(5 * 6))
    assert cosine(exact, exact) == pytest.approx(1)


def test_a_standard_error_is_taken_off_where_samples_differ() -> None:
    exact, found = rows([1, 0], [0, 1], [1, 1]), rows([1, 0.5], [0, 1], [1, 1])
    without_one = [
        cosine([a, b], [c, d]) for (a, b), (c, d) in zip(combinations(exact, 2), combinations(found, 2), strict=True)
    ]
    standard_error = np.sqrt(2 * np.var(without_one))
    assert standard_error > 0.01
    assert probable_cosine(exact, found) == pytest.approx(cosine(exact, found) - standard_error)


def test_alike_samples_leave_the_cosine_as_it_is() -> None:
    exact, found = rows([1, 0], [1, 0]), rows([1, 1], [1, 1])
    assert probable_cosine(exact, found) == pytest.approx(cosine(exact, found))
    assert probable_cosine(exact[:1], found[:1]) == pytest.approx(cosine(exact, found))


def test_the_standard_error_is_of_the_spread_between_draws_of_samples() -> None:
    random = np.random.default_rng(0)

    def drawn(count: int) -> tuple[list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]]:
        exact = random.normal(size=(count, 8)) * random.uniform(0.5, 2, size=(count, 1))
        return rows(*exact), rows(*(exact + random.normal(size=(count, 8)) * random.uniform(0, 0.4, size=(count, 1))))

    draws = [drawn(24) for _ in range(100)]
    stated = np.mean([cosine(*draw) - probable_cosine(*draw) for draw in draws])
    assert stated == pytest.approx(np.std([cosine(*draw) for draw in draws]), rel=0.25)


def test_the_worst_output_counts() -> None:
    exact = [{"a": np.ones(3, np.float32), "b": np.ones(3, np.float32)}]
    found = [{"a": np.ones(3, np.float32), "b": np.array([1, 1, -1], np.float32)}]
    assert cosine(exact, found) == pytest.approx(1 / 3)


def test_values_that_are_not_finite_are_left_out() -> None:
    assert cosine(rows([1, np.inf, 2]), rows([1, 5, 2])) == pytest.approx(1)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_finite_value_that_becomes_another_kind_is_like_nothing(broken: float) -> None:
    exact = rows(*np.ones((256, 4)))
    found = rows(*np.ones((255, 4)), [1, broken, 1, 1])
    assert cosine(exact, found) == 0
    assert probable_cosine(exact, found) == 0
    assert cosine(exact[:255], found[:255]) == pytest.approx(1)


def test_outputs_of_nothing_but_zeros_are_alike_where_they_are_equal() -> None:
    assert cosine(rows([0, 0]), rows([0, 0])) == 1
    assert cosine(rows([0, 0]), rows([0, 1])) == 0


def test_outputs_of_other_shapes_or_of_integers_are_not_compared() -> None:
    assert cosine(rows([1, 2]), rows([1, 2, 3])) is None
    assert cosine([{"y": np.array([1])}], [{"y": np.array([1])}]) is None
    assert cosine([], []) is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_every_width_are_compared(dtype: type) -> None:
    exact, found = ([{"y": np.array(values, dtype)}] for values in ([1, 0], [1, 1]))
    assert cosine(exact, found) == pytest.approx(0.5**0.5)


def test_a_model_loses_nothing_of_itself() -> None:
    net = Net([1, 3, 8, 8])
    model = net.model(net.conv("data", 3, 4, 3))
    loss = CosineLoss(model, random_samples(model, 2))
    other = Net([1, 3, 8, 8], seed=1)
    assert loss(model) == pytest.approx(0, abs=1e-9)
    assert loss(other.model(other.conv("data", 3, 4, 3))) > 0.1


def test_where_samples_are_few_others_are_looked_at_as_well() -> None:
    net = Net([1, 4])
    model = net.model(net.add("Relu", "data"))
    other = Net([1, 4])
    found = other.model(other.add("Abs", "data"))
    same, unlike = {"data": np.ones((1, 4), np.float32)}, {"data": np.full((1, 4), -1, np.float32)}
    assert CosineLoss(model, [same])(found) == pytest.approx(0)
    exact, given = ([OnnxRuntimeRunner(each).run(sample) for sample in (same, unlike)] for each in (model, found))
    assert CosineLoss(model, [same], [unlike])(found) == pytest.approx(1 - probable_cosine(exact, given))
    # the few alone count where they are worse
    assert CosineLoss(model, [unlike], [same])(found) == 1


def test_the_sort_of_samples_that_loses_most_counts() -> None:
    net, other = Net([1, 4]), Net([1, 4])
    model = net.model(net.add("Relu", "data"))
    found = other.model(other.add("Abs", "data"))
    # outputs of the second sort are small, and one in four of its values is another: little in the cosine over all
    large, small = (np.float32([each]) for each in ([9, 9, 9, 9], [1, 1, 1, -1]))
    samples = [{"data": (large, small)[index % 2]} for index in range(6)]
    of_small = 1 - 3 / np.sqrt(3 * 4)
    assert CosineLoss(model, samples)(found) < 0.01
    assert CosineLoss(model, samples, sorts=2)(found) == pytest.approx(of_small)
    assert CosineLoss(model, samples[1:], sorts=2)(found) == pytest.approx(of_small)
    assert CosineLoss(model, samples, sorts=2)(model) == pytest.approx(0)


def test_the_qdq_form_is_run_with_joined_operators_and_node_by_node() -> None:
    net = Net([1, 8, 24, 24])
    x = net.conv("data", 8, 8, 3)
    model = net.model(net.conv(net.add("Add", x, net.conv(x, 8, 8)), 8, 8))
    samples = random_samples(model, 3)
    found = quantize(model, samples, target=Target("qdq"))
    exact = [OnnxRuntimeRunner(model).run(sample) for sample in samples]
    runners = OnnxRuntimeRunner(found), OnnxRuntimeRunner(found, node_by_node=True)
    joined, single = (probable_cosine(exact, [runner.run(sample) for sample in samples]) for runner in runners)
    assert joined is not None
    assert single is not None
    assert joined != single
    assert CosineLoss(model, samples)(found) == pytest.approx(1 - joined, rel=1e-6)
    assert CosineLoss(model, samples, node_by_node=True)(found) == pytest.approx(1 - min(joined, single), rel=1e-6)
