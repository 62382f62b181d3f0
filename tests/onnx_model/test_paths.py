"""The gate for file names that a file names."""

from pathlib import Path

import pytest

from zoosmith.onnx_model.errors import PathError
from zoosmith.onnx_model.paths import parts_below, regular_file_below


@pytest.mark.parametrize("name", ["a", "a/b.bin", "a/./b.bin", "...", "a..b/c"])
def test_a_path_below_the_folder_passes(name: str) -> None:
    assert parts_below(name) == tuple(part for part in name.split("/") if part != ".")


@pytest.mark.parametrize(
    "name",
    ["", ".", "/etc/passwd", "../a", "a/../../b", "a/..", "C:/a", "C:a", "\\\\host\\a", "..\\a", "a\\..\\b", "a\0"],
)
def test_a_path_that_may_leave_the_folder_on_any_system_is_refused(name: str) -> None:
    with pytest.raises(PathError):
        parts_below(name)


def test_only_a_regular_file_reached_without_a_link_is_given(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to(tmp_path / "d")
    assert regular_file_below("d/file", tmp_path) == tmp_path / "d" / "file"
    assert regular_file_below("link/file", tmp_path, follow_links=True) == tmp_path / "link" / "file"
    with pytest.raises(PathError, match="'link' is a link"):
        regular_file_below("link/file", tmp_path)
    with pytest.raises(PathError, match="not a regular file"):
        regular_file_below("d", tmp_path)
    with pytest.raises(FileNotFoundError):
        regular_file_below("d/none", tmp_path)
