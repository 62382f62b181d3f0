"""A file that is no model is named by what it is."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.zoosmith.small_models import scaling_model
from zoosmith.convert import ConvertError, read_net
from zoosmith.onnx_model import load_model
from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.file_kinds import HEAD, other_kind
from zoosmith.onnx_model.loading import load_in_place


def zipped(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return content.getvalue()


def tarred() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return content.getvalue()


def array() -> bytes:
    content = io.BytesIO()
    np.save(content, np.ones(3))
    return content.getvalue()


KINDS = {
    "an empty file": b"",
    "begins with zeros": bytes(100),
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n",
    "gzip": gzip.compress(b"model"),
    "bzip2": b"BZh91AY&SY",
    "xz": b"\xfd7zXZ\0\0\4",
    "zstd": b"\x28\xb5\x2f\xfd\x04\0",
    "7-Zip": b"7z\xbc\xaf\x27\x1c\0\4",
    "torch.onnx.export": zipped("archive/data.pkl", "archive/version"),
    "zip archive": zipped("model.onnx"),
    "tar archive": tarred(),
    "pickle": pickle.dumps({"weights": 1}, protocol=4),
    "safetensors": struct.pack("<Q", 60) + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}      ',
    "web page": b"\n<!DOCTYPE html>\n<html><body>Not Found</body></html>",
    "OpenVINO": b'<?xml version="1.0"?>\n<net name="model" version="11"/>',
    "XML": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "JSON": b'{"error": "not found"}',
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(8),
    "numpy": array(),
    "GGUF": b"GGUF\3\0\0\0",
    "SQLite": b"SQLite format 3\0",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "JPEG": b"\xff\xd8\xff\xe0",
    "TensorFlow Lite": b"\x1c\0\0\0TFL3",
    ".ort": b"\x1c\0\0\0ORTM",
    "program": b"\x7fELF\2\1\1",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_model_is_named_by_what_it_is(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(KINDS[kind])
    for load in (load_model, load_in_place):
        with pytest.raises(ModelError, match=rf"model\.onnx: expected an ONNX model, found .*{kind}"):
            load(path)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"SQLite", "begins with zeros"}))
def test_what_is_no_net_is_named_by_what_it_is(kind: str) -> None:
    with pytest.raises(ConvertError, match=rf"expected .*NetDef, found .*{kind}"):
        read_net(KINDS[kind])


def test_a_model_in_place_of_a_net_is_named_without_its_weights() -> None:
    with pytest.raises(ConvertError) as caught:
        read_net(scaling_model(np.ones(4000, np.float32)).SerializeToString())
    assert str(caught.value).endswith("expected a Caffe2 NetDef, found an ONNX model, which `zoosmith opset` converts")


def test_a_model_or_text_is_of_no_other_kind() -> None:
    model = scaling_model(np.ones(4000, np.float32)).SerializeToString()
    for content in (model[:HEAD], model[: len(model) // 2][:HEAD], b"import onnx\n", b'name: "net"\n'):
        assert other_kind(content) is None
