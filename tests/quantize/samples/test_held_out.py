"""Outputs are compared on samples that were not calibrated on, where there are enough."""

from pathlib import Path

import numpy as np
import pytest

from tests.optimize.nets import Net
from zoosmith.quantize.samples.held_out import COMPARED, OF_SMALL, most_compared, split, with_held_out
from zoosmith.quantize.samples.reading import LazySamples, array_samples, random_samples


def numbered(count: int) -> LazySamples:
    return LazySamples(count, lambda index: {"x": np.array([index])}, digests=frozenset({"all"}))


def numbers(samples: object) -> list[int]:
    return [int(sample["x"][0]) for sample in samples]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("count", "calibrated"), [(8, 6), (40, 30), (200, 150)])
def test_the_last_quarter_is_held_out(count: int, calibrated: int) -> None:
    parts = split(numbered(count), "photographs")
    assert numbers(parts.calibrated) == list(range(calibrated))
    assert numbers(parts.compared) == list(range(calibrated, min(count, calibrated + COMPARED)))
    assert str(parts) == f"{min(count - calibrated, COMPARED)} samples not calibrated on"


def test_few_that_are_held_out_are_made_more_by_those_calibrated_on() -> None:
    assert numbers(split(numbered(24), "photographs").more) == list(range(18))
    assert len(split(numbered(60), "photographs").more) == COMPARED - 15
    assert not split(numbered(200), "photographs").more
    assert not split(numbered(5), "photographs").more
    assert not split(numbered(with_held_out("random", 3)), "random").more


def test_few_samples_are_calibrated_on_and_compared() -> None:
    parts = split(numbered(5), "photographs")
    assert numbers(parts.calibrated) == numbers(parts.compared) == [0, 1, 2, 3, 4]
    assert str(parts) == "5 samples calibrated on"


@pytest.mark.parametrize("source", ["synthetic", "synthetic sound", "random"])
def test_made_up_samples_are_as_many_as_wanted_and_others_are_compared(source: str) -> None:
    parts = split(numbered(with_held_out(source, 3)), source)
    assert numbers(parts.calibrated) == [0, 1, 2]
    assert numbers(parts.compared) == list(range(3, 3 + COMPARED))


def test_outputs_of_small_nets_are_compared_on_more_samples() -> None:
    model = Net([1, 3]).model("data")
    most = most_compared(model, random_samples(model, 1))
    assert most == OF_SMALL
    parts = split(numbered(with_held_out("random", 3)), "random", most)
    assert numbers(parts.compared) == list(range(3, 3 + OF_SMALL))
    assert not parts.more
    large = Net([1, 3, 2000, 2000]).model("data")
    assert most_compared(large, random_samples(large, 1)) == COMPARED


def test_one_sample_is_both() -> None:
    assert not split(numbered(1), "synthetic").held_out


def test_parts_of_arrays_in_a_file_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    model = Net([1, 3]).model("data")
    rows = np.arange(60, dtype=np.float32).reshape(20, 3)
    np.savez(tmp_path / "samples.npz", data=rows)
    parts = split(array_samples(model, tmp_path / "samples.npz", 20), "samples.npz")
    for part, wanted in ((parts.calibrated, rows[:15]), (parts.compared, rows[15:])):
        assert len(part) == len(wanted)
        assert np.array_equal(np.concatenate([sample["data"] for sample in part]), wanted)
        assert np.array_equal(part[1]["data"], wanted[1:2])
    assert len(split(list(random_samples(model, 8)), "list").calibrated) == 6
