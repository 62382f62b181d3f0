"""Calibration samples come from images, arrays and random numbers."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.optimize.nets import Net
from zoosmith.onnx_model import ZoosmithError
from zoosmith.quantize import QuantizeError
from zoosmith.quantize.samples.made_pictures import MadePictures
from zoosmith.quantize.samples.natural_images import natural_images
from zoosmith.quantize.samples.reading import part_of, read_samples, sorts_of
from zoosmith.quantize.samples.text_pictures import text_pictures
from zoosmith.validation import ValidationError, preprocessing
from zoosmith.validation.reading.array_files import open_arrays

NONE = preprocessing("none")


def net(batch: int | str = 1) -> "object":
    built = Net([batch, 3, 8, 8])
    return built.model(built.add("Relu", "data"))


def read(source: object, count: int = 10, batch: int | str = 1) -> list:
    return list(read_samples(net(batch), str(source), count, NONE))  # type: ignore[arg-type]


def test_random_samples_differ_and_come_again() -> None:
    first, second = read("random", 3), read("random", 3)
    assert len(first) == 3
    assert all(np.array_equal(a["data"], b["data"]) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0]["data"], first[1]["data"])


def test_arrays_are_split_by_the_models_batch(tmp_path: Path) -> None:
    data = np.arange(7 * 3 * 8 * 8, dtype=np.float32).reshape(7, 3, 8, 8)
    np.savez(tmp_path / "a.npz", data=data)
    assert [sample["data"].shape[0] for sample in read(tmp_path / "a.npz")] == [1] * 7
    assert [sample["data"].shape[0] for sample in read(tmp_path / "a.npz", batch=3)] == [3, 3]
    assert len(read(tmp_path / "a.npz", count=2)) == 2
    assert np.array_equal(read(tmp_path / "a.npz", batch="N")[4]["data"], data[4:5])


def test_the_files_of_a_folder_may_hold_samples_of_several_shapes(tmp_path: Path) -> None:
    model = Net([1, 3, "length"]).model("data")
    for name, count, length in (("a", 6, 4), ("b", 3, 8)):
        data = np.arange(count, dtype=np.float32)[:, None, None] * np.ones((1, 3, length), np.float32)
        np.savez(tmp_path / f"{name}.npz", data=data)
    samples = read_samples(model, str(tmp_path), 100, NONE)  # type: ignore[arg-type]
    shapes = [(int(sample["data"][0, 0, 0]), sample["data"].shape[2]) for sample in samples]
    # each file in order, and spread evenly
    assert shapes == [(0, 4), (0, 8), (1, 4), (2, 4), (1, 8), (3, 4), (4, 4), (2, 8), (5, 4)]
    assert [int(samples[index]["data"][0, 0, 0]) for index in range(9)] == [number for number, _ in shapes]
    late = part_of(samples, 4, 8)
    assert [(int(sample["data"][0, 0, 0]), sample["data"].shape[2]) for sample in late] == shapes[4:8]
    assert len(read_samples(model, str(tmp_path), 4, NONE)) == 4  # type: ignore[arg-type]


def test_an_array_of_a_scalar_input_has_one_axis(tmp_path: Path) -> None:
    model = net()
    rate = onnx.helper.make_tensor_value_info("rate", onnx.TensorProto.INT64, [])
    model.graph.input.append(rate)  # type: ignore[attr-defined]
    data = np.zeros((3, 3, 8, 8), np.float32)
    np.savez(tmp_path / "a.npz", data=data, rate=np.array([8000, 16000, 44100]))
    samples = read_samples(model, str(tmp_path / "a.npz"), 10, NONE)  # type: ignore[arg-type]
    assert [sample["rate"] for sample in samples] == [8000, 16000, 44100]
    assert all(isinstance(rate, np.ndarray) and rate.shape == () for rate in (sample["rate"] for sample in samples))
    np.savez(tmp_path / "b.npz", data=data, rate=np.array(8000))
    with pytest.raises(QuantizeError, match=r"b.npz: 'rate' is \[\]; expected \[N\] of at least 1 along axis 0"):
        read_samples(model, str(tmp_path / "b.npz"), 10, NONE)  # type: ignore[arg-type]


def test_pictures_are_laid_out_as_the_model_reads_them() -> None:
    [first] = read("synthetic", 1)
    for shape in ([1, 8, 8, 3], [1, 8, 8, 1], [1, 1, 8, 8]):
        built = Net(shape)
        [sample] = read_samples(built.model(built.add("Relu", "data")), "synthetic", 1, NONE)
        expected = first["data"].mean(axis=1, keepdims=True) if 1 in shape[1:] else first["data"]
        expected = expected if shape[1] == 1 else expected.transpose(0, 2, 3, 1)
        assert np.array_equal(sample["data"], expected)


def test_images_are_read_up_to_the_count(tmp_path: Path) -> None:
    for index in range(5):
        Image.new("RGB", (16, 16), (index, 0, 0)).save(tmp_path / f"{index}.png")
    assert [sample["data"].shape for sample in read(tmp_path, 4)] == [(1, 3, 8, 8)] * 4


def test_images_are_decoded_when_a_sample_is_asked_for(tmp_path: Path) -> None:
    for index in range(5):
        Image.new("RGB", (16, 16), (index, 0, 0)).save(tmp_path / f"{index}.png")
    decoded = []

    def preprocess(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
        decoded.append(image.getpixel((0, 0)))
        return NONE(image, size)

    samples = read_samples(net(2), str(tmp_path), 5, preprocess)  # type: ignore[arg-type]
    assert len(samples) == 2
    decoded.clear()
    assert samples[1]["data"].shape == (2, 3, 8, 8)
    assert decoded == [(2, 0, 0), (3, 0, 0)]
    assert [sample["data"][0, 0, 0, 0] for sample in samples] == [0, 2]
    assert len(samples[:5]) == 2
    [filled] = read_samples(net(8), str(tmp_path), 5, preprocess)  # type: ignore[arg-type]
    assert filled["data"][:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_more_of_an_array_is_unpacked_than_the_samples_need(tmp_path: Path, save: Callable[..., None]) -> None:
    data = np.random.RandomState(0).rand(40, 3, 8, 8).astype(np.float32)
    save(tmp_path / "a.npz", data=data)
    with open_arrays(tmp_path / "a.npz") as arrays:
        assert (arrays.read("data", 6).shape[0], arrays.shape("data")[0]) == (6, 40)
    assert np.array_equal(read(tmp_path / "a.npz", count=2, batch=3)[1]["data"], data[3:6])
    np.savez(tmp_path / "f.npz", data=np.asfortranarray(data))
    assert np.array_equal(read(tmp_path / "f.npz", count=5)[4]["data"], data[4:5])


def test_inputs_of_different_numbers_of_samples_are_refused_whatever_is_asked_for(tmp_path: Path) -> None:
    net = Net([1, 3])
    model = net.model(net.add("Add", "data", "shift"))
    model.graph.input.append(onnx.helper.make_tensor_value_info("shift", onnx.TensorProto.FLOAT, [1, 3]))
    np.savez(tmp_path / "a.npz", data=np.zeros((9, 3), np.float32), shift=np.zeros((8, 3), np.float32))
    with pytest.raises(QuantizeError, match="the arrays hold 9, 8 samples, expected as many each"):
        read_samples(model, str(tmp_path / "a.npz"), 2, NONE)


def test_bad_files_are_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", image=np.zeros((1, 3, 8, 8), np.float32))
    np.savez(tmp_path / "shape.npz", data=np.zeros((4, 1, 8, 8), np.float32))
    (tmp_path / "junk.npz").write_bytes(b"junk")
    for name, message in (
        ("other.npz", "no array 'data', the model's input; it has image"),
        ("shape.npz", r"'data' is \[4, 1, 8, 8\]; expected \[N, 3, 8, 8\]"),
        ("junk.npz", "damaged or unsupported: expected numpy's arrays"),
        ("absent.npz", "does not exist; expected a folder of images or NPZ files, an NPZ file, synthetic or random"),
    ):
        with pytest.raises(ZoosmithError, match=message) as caught:
            read(tmp_path / name)
        assert name in str(caught.value)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="no images"):
        read(tmp_path)


def test_synthetic_samples_are_preprocessed_pictures_in_batches_of_the_model() -> None:
    net = Net([2, 3, 32, 32])
    model = net.model(net.conv("data", 3, 4))
    preprocess = preprocessing("torchvision")
    samples = read_samples(model, "synthetic", 5, preprocess)
    assert [sample["data"].shape for sample in samples] == [(2, 3, 32, 32)] * 2
    images = [preprocess(image, (32, 32)) for image in natural_images(5)]
    np.testing.assert_array_equal(np.concatenate([sample["data"] for sample in samples]), np.stack(images[:4]))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_one_sample_at_a_time(tmp_path: Path, save: Callable[..., None]) -> None:
    data = np.random.RandomState(0).rand(64, 3, 8, 8).astype(np.float32)
    save(tmp_path / "a.npz", data=data)
    samples = read_samples(net(4), str(tmp_path / "a.npz"), 50, NONE)  # type: ignore[arg-type]
    assert len(samples) == 16
    for _ in range(2):  # calibration goes over them more than once
        for index, sample in enumerate(samples):
            assert np.array_equal(sample["data"], data[4 * index : 4 * index + 4])
    assert np.array_equal(samples[15]["data"], data[60:])
    assert [np.array_equal(sample["data"], data[at : at + 4]) for sample, at in zip(samples[2:4], (8, 12), strict=True)]
    with pytest.raises(IndexError):
        samples[16]


@pytest.mark.parametrize(("source", "some", "many"), [("arrays", 10, 100), ("random", 10, 100), ("synthetic", 2, 14)])
def test_memory_does_not_grow_with_the_number_of_samples(
    source: str, some: int, many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoosmith.quantize.samples.made_pictures._KEPT", 0)
    # not those that other tests have had made
    monkeypatch.setattr("zoosmith.quantize.samples.reading.made_pictures", MadePictures)
    wide = Net([1, 3, 192, 192])
    model = wide.model(wide.add("Relu", "data"))

    def peak(count: int) -> int:
        np.savez(tmp_path / "a.npz", data=np.zeros((count, 3, 192, 192), np.float32))
        given = str(tmp_path / "a.npz") if source == "arrays" else source
        tracemalloc.start()
        for _ in read_samples(model, given, count, NONE):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(many) < 1.5 * peak(some)


def test_scenes_and_pages_take_turns_in_every_part() -> None:
    scenes = read_samples(net(), "synthetic", 6, NONE, kind="scenes")  # type: ignore[arg-type]
    assert sorts_of(scenes) == sorts_of(part_of(scenes, 3, 5)) == 2
    for other in (
        read_samples(net(2), "synthetic", 6, NONE, kind="scenes"),  # type: ignore[arg-type]
        read_samples(net(), "synthetic", 6, NONE),  # type: ignore[arg-type]
        read_samples(net(), "random", 6, NONE),  # type: ignore[arg-type]
        list(scenes),
    ):
        assert sorts_of(other) == 1


def test_only_the_first_made_up_pictures_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoosmith.quantize.samples.made_pictures._KEPT", 2)
    made = MadePictures((16, 64), seed=3)
    assert made[0] is made[0] and made[2] is not made[2]
    for number, picture in enumerate(text_pictures(3, (18, 73), seed=3)):
        np.testing.assert_array_equal(np.asarray(made[number]), np.asarray(picture))


def test_wide_inputs_get_lines_of_text() -> None:
    wide = Net([1, 3, 48, 192])
    [sample] = read_samples(wide.model(wide.conv("data", 3, 4)), "synthetic", 1, NONE)
    [picture] = text_pictures(1, (55, 219))
    cut = np.asarray(picture).transpose(2, 0, 1)[:, 4:52, 14:206]
    np.testing.assert_array_equal(sample["data"], cut[None])
