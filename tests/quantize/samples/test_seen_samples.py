"""Images that a model was calibrated on are known again, whatever their files are called."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.optimize.nets import Net
from zoosmith.quantize import QuantizeError
from zoosmith.quantize.samples.reading import read_samples
from zoosmith.quantize.samples.seen_samples import refuse_seen, sample_digests, state_digests, stated_digests
from zoosmith.validation import ImageFolder, preprocessing

NONE = preprocessing("none")


def classifier(*shape: int) -> onnx.ModelProto:
    net = Net(shape or [1, 3, 8, 8])
    return net.model(net.add("GlobalAveragePool", "data"))


def pictures(folder: Path, shades: range, suffix: str = "png") -> Path:
    folder.mkdir()
    for shade in shades:
        Image.new("RGB", (8, 8), (shade, 9, 9)).save(folder / f"{shade}.{suffix}")
    return folder


def test_the_same_pixels_in_another_file_are_seen(tmp_path: Path) -> None:
    model = classifier()
    seen = sample_digests(read_samples(model, str(pictures(tmp_path / "train", range(4))), 9, NONE))
    others = ImageFolder(pictures(tmp_path / "val", range(3, 8), "bmp"))
    with pytest.raises(QuantizeError, match=r"val: 1 of its 5 images were calibrated on, 3\.bmp first; measure"):
        refuse_seen(model, seen, others, NONE)
    refuse_seen(model, seen, ImageFolder(pictures(tmp_path / "more", range(4, 8))), NONE)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 8, 8, 3)])
def test_arrays_of_the_same_images_are_seen(tmp_path: Path, shape: tuple[int, ...]) -> None:
    model, folder = classifier(*shape), ImageFolder(pictures(tmp_path / "val", range(3)))
    arrays = np.stack([array for _, array in folder.arrays(NONE, (8, 8))][1:])
    np.savez(tmp_path / "a.npz", data=arrays if shape[1] == 3 else arrays.transpose(0, 2, 3, 1))
    with pytest.raises(QuantizeError, match=r"2 of its 3 images were calibrated on"):
        refuse_seen(model, sample_digests(read_samples(model, str(tmp_path / "a.npz"), 9, NONE)), folder, NONE)


def test_a_model_states_what_it_was_calibrated_on(tmp_path: Path) -> None:
    model = classifier()
    seen = sample_digests(read_samples(model, str(pictures(tmp_path / "train", range(4))), 9, NONE))
    state_digests(model, seen)
    assert stated_digests(model) == seen and len(seen) == 4
    assert stated_digests(classifier()) == frozenset()


def test_the_same_pixels_preprocessed_otherwise_are_seen(tmp_path: Path) -> None:
    model, folder = classifier(), pictures(tmp_path / "train", range(4))
    seen = sample_digests(read_samples(model, str(folder), 9, NONE))
    with pytest.raises(QuantizeError, match="4 of its 4 images were calibrated on"):
        refuse_seen(model, seen, ImageFolder(folder), preprocessing("torchvision"))


def test_a_model_adds_to_what_it_states_already() -> None:
    model = classifier()
    state_digests(model, ["a" * 12])
    model.metadata_props.add(key="other", value="kept")
    state_digests(model, ["b" * 12, "a" * 12])
    state_digests(model, [])
    assert stated_digests(model) == {"a" * 12, "b" * 12}
    assert sorted(entry.key for entry in model.metadata_props) == ["other", "zoosmith.calibrated_on"]


def test_scalars_tell_no_samples_apart() -> None:
    data = np.random.RandomState(0).rand(1, 4).astype(np.float32)
    samples = [{"data": data, "rate": np.array(16000)}]
    assert sample_digests(samples) == sample_digests([{"data": data}])
