"""A staged file appears with what lies beside it, or nothing is left behind."""

from pathlib import Path

import pytest

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import scratch_folder, staged


def listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_published_file_appears_and_replaces_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"old")
    with staged(tmp_path / "m.onnx") as stage:
        stage.path.write_bytes(b"new")
        assert (tmp_path / "m.onnx").read_bytes() == b"old"
        stage.publish()
    assert (tmp_path / "m.onnx").read_bytes() == b"new"
    assert listed(tmp_path) == ["m.onnx"]


@pytest.mark.parametrize("target", ["m.onnx", "new/folder/m.onnx"])
def test_a_file_that_is_not_published_leaves_nothing(target: str, tmp_path: Path) -> None:
    with staged(tmp_path / target) as stage:
        stage.path.write_bytes(b"new")
    assert listed(tmp_path) == []
    with pytest.raises(RuntimeError), staged(tmp_path / target) as stage:
        stage.path.write_bytes(b"new")
        raise RuntimeError
    assert listed(tmp_path) == []


def test_an_error_while_it_is_staged_names_where_it_was_to_appear(tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError) as error, staged(tmp_path / "m.onnx") as stage:
        raise ZoosmithError(f"{stage.path}: cannot be written: No space left on device")
    assert str(error.value) == f"{tmp_path / 'm.onnx'}: cannot be written: No space left on device"


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = r"file/m\.onnx: cannot be written: .*/file is no folder"
    with pytest.raises(ZoosmithError, match=message), staged(tmp_path / "file" / "m.onnx"):
        pass


def test_what_is_written_beside_it_appears_with_it_and_what_is_lent_stays(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "w").write_bytes(b"weights")
    with staged(tmp_path / "m.onnx") as stage:
        stage.lend(["deep/w"])
        stage.path.write_bytes(b"model")
        stage.path.with_name("more").write_bytes(b"more")
        assert (stage.path.parent / "deep" / "w").read_bytes() == b"weights"
        stage.publish()
    assert listed(tmp_path) == ["deep", "deep/w", "m.onnx", "more"]


def test_mode_and_link_of_what_is_replaced_stay(tmp_path: Path) -> None:
    (tmp_path / "real.onnx").touch(0o600)
    (tmp_path / "m.onnx").symlink_to("real.onnx")
    with staged(tmp_path / "m.onnx") as stage:
        stage.path.write_bytes(b"model")
        stage.publish()
    assert (tmp_path / "m.onnx").is_symlink()
    assert (tmp_path / "real.onnx").read_bytes() == b"model"
    assert (tmp_path / "real.onnx").stat().st_mode & 0o777 == 0o600


def test_the_null_device_takes_a_file_that_is_checked_first() -> None:
    with staged("/dev/null") as stage:
        stage.path.write_bytes(b"model")
        stage.publish()
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("name", ["file", "file/below", "file/below/that"])
def test_a_file_in_the_way_of_a_scratch_folder_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(ZoosmithError) as refusal, scratch_folder(tmp_path / name):
        pass
    assert str(refusal.value) == f"{tmp_path / 'file'}: is no folder; expected one to write into"
    assert (tmp_path / "file").read_bytes() == b"mine" and listed(tmp_path) == ["file"]


def test_a_target_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError, match="Is a directory"), staged(tmp_path):
        pass
