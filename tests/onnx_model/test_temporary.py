"""What is there for a while is told to a listener."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from zoosmith.onnx_model import temporary
from zoosmith.onnx_model.files import staged, write_atomic


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    lists: list[list[str]] = []
    monkeypatch.setattr(temporary, "_listener", lambda paths: lists.append(list(paths)))
    yield lists
    assert lists[-1] == []


def test_a_file_is_told_under_the_name_that_it_has_while_it_is_written(told: list[list[str]], tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"content")
    ((path,), _) = told
    assert Path(path).parent == tmp_path and path.endswith(".partial")


def test_a_staging_folder_is_told_with_the_folders_made_for_it(told: list[list[str]], tmp_path: Path) -> None:
    with staged(tmp_path / "new" / "file") as staging:
        assert told[-1] == [str(tmp_path / "new"), str(staging.path.parent)]


def test_a_relative_path_is_told_as_an_absolute_one(
    told: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_atomic("file", b"content")
    assert Path(told[0][0]).parent == tmp_path


def test_a_temporary_folder_is_there_while_it_is_told(told: list[list[str]], tmp_path: Path) -> None:
    with temporary.temporary_folder(tmp_path) as folder:
        assert told == [[str(folder)]]
        assert folder.is_dir()
    assert not folder.exists()
