import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import atomic_writer, refuse_replacing, refuse_unwritable, write_atomic


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


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "model.onnx").write_bytes(b"old")
    link = tmp_path / "link.onnx"
    link.symlink_to(tmp_path / "real" / "model.onnx")
    write_atomic(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "model.onnx").read_bytes() == b"new"


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    target.chmod(0o640)
    write_atomic(target, b"new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_pipe_or_a_folder_is_refused_and_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ZoosmithError, match=r"pipe: cannot be written: not a regular file"):
        write_atomic(tmp_path / "pipe", b"new")
    with pytest.raises(ZoosmithError, match=r"folder: cannot be written: Is a directory"):
        write_atomic(tmp_path / "folder", b"new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_device_is_refused_but_the_null_device_and_standard_output_are_written(tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError, match=r"/dev/full: cannot be written"):
        write_atomic("/dev/full", b"new")
    write_atomic(os.devnull, b"new")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    script = "from zoosmith.onnx_model.files import write_atomic; write_atomic('/dev/stdout', b'content')"
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"content"


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    left, foreign = tmp_path / ".model.onnx.0123456789abcdef.partial", tmp_path / ".download.partial"
    for path in (left, foreign):
        path.write_bytes(b"half")
        os.utime(path, (0, 0))
    with atomic_writer(tmp_path / "other.onnx") as file:
        write_atomic(tmp_path / "model.onnx", b"whole")
        file.write(b"whole too")
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "other.onnx", foreign.name}


def test_what_cannot_be_written_is_known_before_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for path, reason in {
        "folder": "Is a directory",
        "file/new": "file is no folder",
        "file/deep/new": "file is no folder",
    }.items():
        with pytest.raises(ZoosmithError, match=f"{path}: cannot be written: .*{reason}"):
            refuse_unwritable(tmp_path / path)
    for path in (tmp_path / "file", tmp_path / "new" / "deep", Path(os.devnull), Path("new")):
        refuse_unwritable(path)
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_is_known_before(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ZoosmithError, match="new: cannot be written: Permission denied"):
        refuse_unwritable(tmp_path / "new")
    tmp_path.chmod(0o700)


def test_an_output_is_not_written_over_what_it_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"")
    (tmp_path / "link").symlink_to("source")
    for name in ("source", "link"):
        with pytest.raises(ZoosmithError, match=f"{name}: is what the output is made of, and would be lost"):
            refuse_replacing(tmp_path / name, [tmp_path / "other", tmp_path / "source"])
    refuse_replacing(tmp_path / "other", [tmp_path / "source"])
    refuse_replacing(Path(os.devnull), [tmp_path / "source"])
