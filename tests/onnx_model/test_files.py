from pathlib import Path

import pytest

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import atomic_writer, write_atomic


def test_a_failed_write_leaves_the_old_file_and_no_leftover(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    write_atomic(target, b"old")
    with pytest.raises(RuntimeError), atomic_writer(target) as file:
        file.write(b"half of the new")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_target_below_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ZoosmithError, match=r"file/model\.onnx: cannot be written"):
        write_atomic(tmp_path / "file" / "model.onnx", b"content")
