"""Model files whose external data may be reached over links, as in caches that keep files by hash and link to them."""

import os
import sys
from pathlib import Path, PosixPath, WindowsPath

# a path of Python is of the class of its operating system
if sys.platform == "win32":
    _Base = WindowsPath
else:
    _Base = PosixPath


class LinkedPath(_Base):
    """A path for which links to external data are followed. What is made of it (`parent`, `/`) is one, too.

    Every function that takes the path of a model takes it. A link to no regular file is refused all the same.
    """


def as_path(path: str | os.PathLike[str]) -> Path:
    """The path as an object; a `LinkedPath` stays one."""
    return path if isinstance(path, Path) else Path(path)
