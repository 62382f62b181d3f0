"""Files that go along where an object that names them is pickled."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class CarriedFiles:
    """A file and files below its folder. Here they stay where they are; pickled, their contents go along.

    Where it is unpickled the files are written into a temporary folder, which is gone with the object.

    Args:
        path: the file.
        beside: names of the others, relative to its folder.

    Attributes:
        path: the file, here.
    """

    def __init__(self, path: Path, beside: Sequence[str] = ()) -> None:
        self.path = path
        self._beside = tuple(beside)

    def __reduce__(self) -> tuple[Any, ...]:
        folder = self.path.parent
        contents = [(name, (folder / name).read_bytes()) for name in (self.path.name, *self._beside)]
        return _unpacked, (contents,)


def _unpacked(contents: Sequence[tuple[str, bytes]]) -> CarriedFiles:
    folder = Path(tempfile.mkdtemp(prefix="zoosmith-"))
    names = [name for name, _ in contents]
    carried = CarriedFiles(folder / names[0], names[1:])
    weakref.finalize(carried, shutil.rmtree, folder, ignore_errors=True)
    for name, content in contents:
        file = folder / name
        if folder not in Path(os.path.abspath(file)).parents:
            raise ValueError(f"{name}: not below the folder of {names[0]}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return carried
