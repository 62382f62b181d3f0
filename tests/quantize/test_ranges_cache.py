"""Ranges that were measured before come from a folder, and are the same."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.optimize.nets import Net, dense_block
from zoosmith.execution import Progress
from zoosmith.quantize import QuantizeError, quantize, quantize_within
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target


class Notes(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def on_note(self, text: str) -> None:
        self.texts.append(text)


def quantized(cache: Path | None, **options: object) -> tuple[bytes, list[str]]:
    notes = Notes()
    model = dense_block()
    result = quantize(model, random_samples(model, 4), cache=cache, progress=notes, **options)  # type: ignore[arg-type]
    return result.SerializeToString(deterministic=True), notes.texts


def test_ranges_from_the_cache_make_the_same_bytes(tmp_path: Path) -> None:
    anew, said = quantized(None)
    first, said_first = quantized(tmp_path / "ranges")
    again, said_again = quantized(tmp_path / "ranges")
    assert anew == first == again
    assert (said, said_first) == ([], [])
    assert said_again == [f"ranges from the cache, {tmp_path / 'ranges'}"]


def test_forms_for_which_a_model_is_rewritten_alike_share_their_ranges(tmp_path: Path) -> None:
    quantized(tmp_path)
    notes, model, target = Notes(), dense_block(), Target(every_layer=True)
    within = quantize_within(model, random_samples(model, 4), target=target, cache=tmp_path, progress=notes).model
    assert len(notes.texts) == 1
    assert within == quantize(model, random_samples(model, 4), target=target)


def test_other_samples_methods_and_models_are_measured(tmp_path: Path) -> None:
    quantized(tmp_path)
    assert quantized(tmp_path, method="percentile")[1] == []
    model, notes = dense_block(), Notes()
    quantize(model, random_samples(model, 4, seed=1), cache=tmp_path, progress=notes)
    other = dense_block(seed=1)
    quantize(other, random_samples(other, 4), cache=tmp_path, progress=notes)
    assert notes.texts == []
    assert len(list(tmp_path.glob("*.npz"))) == 4


@pytest.mark.parametrize("damage", ["cut", "junk", "empty", "other arrays", "not finite", "no names"])
def test_a_damaged_file_of_the_cache_is_measured_anew(tmp_path: Path, damage: str) -> None:
    exact, _ = quantized(tmp_path)
    [path] = tmp_path.glob("*.npz")
    content = path.read_bytes()
    if damage == "other arrays":
        np.savez(path, names=["a"], channels=[1], low=np.zeros(3))
    elif damage == "no names":
        arrays = dict(np.load(path))
        np.savez(path, **{**arrays, "names": np.arange(len(arrays["names"])) * 1j})
    elif damage == "not finite":
        arrays = dict(np.load(path))
        arrays["low"][0] = np.nan
        np.savez(path, **arrays)
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "junk": b"junk", "empty": b""}[damage])
    assert quantized(tmp_path) == (exact, [])
    assert quantized(tmp_path) == (exact, [f"ranges from the cache, {tmp_path}"])


def test_a_cache_that_cannot_be_written_is_said_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result, [said] = quantized(tmp_path / "file")
    assert result == quantized(None)[0]
    assert said.startswith("ranges are not kept: ") and str(tmp_path / "file") in said


def test_the_files_used_last_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoosmith.quantize.ranges_cache._KEPT", 2)
    for method in ("minmax", "percentile"):
        quantized(tmp_path, method=method)
    for age, path in enumerate(tmp_path.glob("*.npz")):
        os.utime(path, (1000 + age, 1000 + age))
    quantized(tmp_path, method="minmax")
    quantized(tmp_path, method="entropy")
    assert quantized(tmp_path, method="minmax")[1] != []
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_no_samples_are_refused_as_without_a_cache(tmp_path: Path) -> None:
    net = Net([1, 3, 8, 8])
    with pytest.raises(QuantizeError, match="no calibration samples"):
        quantize(net.model(net.conv("data", 3, 4)), [], cache=tmp_path)
