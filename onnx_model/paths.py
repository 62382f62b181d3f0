"""The one gate for file names that a file names: of external data, in an archive, in a hub's manifest."""

import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

from zoosmith.onnx_model.errors import PathError


def parts_below(name: str) -> tuple[str, ...]:
    """The parts of a path that stays below the folder it is relative to, on every operating system.

    Args:
        name: with `/` between its parts.

    Raises:
        PathError: it is empty or absolute, climbs out of the folder, or holds a drive, a backslash or a null character.
    """
    windows = PureWindowsPath(name)
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or windows.drive or "\\" in name or "\0" in name or ".." in parts:
        raise PathError("expected a relative path that stays below its folder")
    return parts


def regular_file_below(name: str, folder: Path, *, follow_links: bool = False) -> Path:
    """The path of a regular file below a folder; nothing is opened.

    Args:
        name: as for `parts_below`.
        folder: that it is relative to.
        follow_links: whether links may lead to it, as in caches that keep files by hash and link to them.

    Raises:
        PathError: as by `parts_below`; the way leads over a link, or to no regular file.
        OSError: there is no such file.
    """
    path, found = folder, None
    for part in parts_below(name):
        path = path / part
        found = path.stat() if follow_links else path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise PathError(f"{part!r} is a link")
    if found is None or not stat.S_ISREG(found.st_mode):
        raise PathError("not a regular file")
    return path
