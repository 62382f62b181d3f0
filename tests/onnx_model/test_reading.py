"""Only regular files are read, and whatever a library raises on their content becomes one line."""

import os
import zlib
from pathlib import Path

import pytest

from zoosmith.onnx_model.errors import ModelError, ZoosmithError
from zoosmith.onnx_model.reading import open_regular, read_regular, reading


class OwnError(ZoosmithError):
    pass


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("first line\nsecond line"),
        zlib.error("first line"),
        IndexError("first line"),
        OSError("first line"),  # of a library, without a number of the system's
        RuntimeError("\n\n  first line\n"),
    ],
)
def test_what_a_library_raises_is_one_line_with_the_files_name(raised: Exception) -> None:
    with pytest.raises(OwnError) as caught, reading("a.bin", "an archive", OwnError):
        raise raised
    assert str(caught.value) == "a.bin: damaged or unsupported: expected an archive: first line"
    assert caught.value.__cause__ is raised


def test_too_much_and_too_deep_say_so() -> None:
    for raised, words in ((MemoryError(), "does not fit into memory"), (RecursionError(), "nested too deeply")):
        with pytest.raises(ModelError, match=f"a.bin: damaged or unsupported: .*{words}"), reading("a.bin", "JSON"):
            raise raised


def test_our_own_errors_keep_type_and_text_and_get_the_name_once() -> None:
    for text in ("it is cut", "a.bin: it is cut"):
        with pytest.raises(OwnError) as caught, reading("a.bin", "an archive"):
            raise OwnError(text)
        assert str(caught.value) == "a.bin: it is cut"


def test_an_interrupt_and_an_exit_go_through() -> None:
    for raised in (KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(raised)), reading("a.bin", "an archive"):
            raise raised


def test_pipes_devices_and_folders_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(ModelError, match=f"{path}: cannot be read: not a regular file"):
            open_regular(path)
    with pytest.raises(OwnError, match="cannot be read: it is a folder"):
        open_regular(tmp_path, error=OwnError)
    with pytest.raises(OwnError, match="the file: cannot be read: No such file"):
        open_regular(tmp_path / "none", name="the file", error=OwnError)


def test_a_limit_is_in_the_message_with_the_size(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(2000))
    assert len(read_regular(tmp_path / "f", most=2000)) == 2000
    with pytest.raises(ModelError, match="has 2,000 bytes; at most 1,999 are read of such a file"):
        read_regular(tmp_path / "f", most=1999)
