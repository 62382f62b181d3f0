"""A model names the files of its external data; no name leads out of its own folder, and no file is trusted to fit."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from zoosmith.onnx_model import ModelError, load_model, save_model
from zoosmith.onnx_model.loading import load_in_place

VALUES = np.arange(12, dtype=np.float32)
READERS: list[Callable[[Path], ModelProto]] = [
    load_model,
    lambda path: load_model(path, external_data=False),
    load_in_place,
]


def model_file(folder: Path, location: str, **entries: str) -> Path:
    """A model whose one weight says that it lies at `location`."""
    folder.mkdir(parents=True, exist_ok=True)
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[12], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        weight.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])],
        "g",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [12])],
        initializer=[weight],
    )
    path = folder / "m.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


@pytest.mark.parametrize("read", READERS, ids=["loaded", "not loaded", "in place"])
@pytest.mark.parametrize(
    "location",
    ["../secret", "a/../../secret", "/etc/passwd", "..\\secret", "C:\\secret", "\\\\host\\share", "", "a\0b"],
)
def test_a_location_that_leaves_the_folder_is_refused(
    location: str, read: Callable[[Path], ModelProto], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(VALUES.tobytes())
    with pytest.raises(ModelError, match=r"m\.onnx: its external data .*below the model's own folder"):
        read(model_file(tmp_path / "inner", location))


@pytest.mark.parametrize("read", READERS, ids=["loaded", "not loaded", "in place"])
def test_a_link_on_the_way_is_refused_unless_links_are_followed(
    read: Callable[[Path], ModelProto], tmp_path: Path
) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0a1b").write_bytes(VALUES.tobytes())
    file, folder = model_file(tmp_path / "snapshot", "w.bin"), model_file(tmp_path / "other", "sub/0a1b")
    (tmp_path / "snapshot" / "w.bin").symlink_to("../blobs/0a1b")
    (tmp_path / "other" / "sub").symlink_to("../blobs")
    for path in (file, folder):
        with pytest.raises(ModelError, match="is a link, which only `follow_links` follows"):
            read(path)
        found = load_model(path, follow_links=True)
        np.testing.assert_array_equal(numpy_helper.to_array(found.graph.initializer[0]), VALUES)


@pytest.mark.parametrize("read", READERS, ids=["loaded", "not loaded", "in place"])
def test_pipes_devices_and_folders_are_refused_without_waiting(
    read: Callable[[Path], ModelProto], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(ModelError, match="not a regular file"):
            read(model_file(tmp_path, name))
    with pytest.raises(ModelError, match=r"pipe: cannot be read: not a regular file"):
        read(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"offset": "4"}, "needs bytes 4 to 52 of w.bin, which has 48"),
        ({"offset": "-4"}, "states offset '-4'"),
        ({"offset": "99999999999999999999"}, "which has 48"),
        ({"length": "4"}, "states 4 bytes of data; its type and shape take 48"),
        ({"length": "x"}, "states length 'x'"),
    ],
)
def test_offset_and_length_must_fit_the_file_and_the_tensor(
    entries: dict[str, str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "w.bin").write_bytes(VALUES.tobytes())
    path = model_file(tmp_path, "w.bin", **entries)
    for read in READERS:
        with pytest.raises(ModelError, match=message):
            read(path)


def test_data_goes_along_in_one_new_file_named_after_its_content_and_no_foreign_file_is_touched(tmp_path: Path) -> None:
    source = model_file(tmp_path / "in", "weights")
    (tmp_path / "in" / "weights").write_bytes(VALUES.tobytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "weights").write_bytes(b"another model's")
    save_model(load_model(source, external_data=False), tmp_path / "out" / "m.onnx", source=source.parent)
    assert (tmp_path / "out" / "weights").read_bytes() == b"another model's"
    (data,) = (tmp_path / "out").glob("m.onnx.*.data")
    assert data.read_bytes() == VALUES.tobytes()
    found = load_model(tmp_path / "out" / "m.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(found.graph.initializer[0]), VALUES)


def test_in_its_own_folder_the_data_file_is_shared(tmp_path: Path) -> None:
    source = model_file(tmp_path, "weights")
    (tmp_path / "weights").write_bytes(VALUES.tobytes())
    save_model(load_model(source, external_data=False), tmp_path / "copy.onnx", source=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.onnx", "m.onnx", "weights"]
    found = load_model(tmp_path / "copy.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(found.graph.initializer[0]), VALUES)
