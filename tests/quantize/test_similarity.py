"""Outputs of a float and an integer model are held against each other by their cosine."""

import numpy as np
import pytest

from tests.optimize.nets import Net
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.similarity import CosineLoss, cosine


def rows(*values: object, name: str = "y") -> list[dict[str, np.ndarray]]:
    return [{name: np.asarray(value, np.float32)} for value in values]


def test_the_cosine_is_that_over_all_samples_together() -> None:
    exact, found = rows([1, 0], [0, 2]), rows([1, 1], [0, 2])
    assert cosine(exact, found) == pytest.approx(5 / np.sqrt(5 * 6))
    assert cosine(exact, exact) == pytest.approx(1)


def test_the_worst_output_counts() -> None:
    exact = [{"a": np.ones(3, np.float32), "b": np.ones(3, np.float32)}]
    found = [{"a": np.ones(3, np.float32), "b": np.array([1, 1, -1], np.float32)}]
    assert cosine(exact, found) == pytest.approx(1 / 3)


def test_values_that_are_not_finite_are_left_out() -> None:
    assert cosine(rows([1, np.inf, 2]), rows([1, 5, 2])) == pytest.approx(1)


def test_outputs_of_nothing_but_zeros_are_alike_where_they_are_equal() -> None:
    assert cosine(rows([0, 0]), rows([0, 0])) == 1
    assert cosine(rows([0, 0]), rows([0, 1])) == 0


def test_outputs_of_other_shapes_or_of_integers_are_not_compared() -> None:
    assert cosine(rows([1, 2]), rows([1, 2, 3])) is None
    assert cosine([{"y": np.array([1])}], [{"y": np.array([1])}]) is None
    assert cosine([], []) is None


def test_a_model_loses_nothing_of_itself() -> None:
    net = Net([1, 3, 8, 8])
    model = net.model(net.conv("data", 3, 4, 3))
    loss = CosineLoss(model, random_samples(model, 2))
    other = Net([1, 3, 8, 8], seed=1)
    assert loss(model) == pytest.approx(0, abs=1e-9)
    assert loss(other.model(other.conv("data", 3, 4, 3))) > 0.1
