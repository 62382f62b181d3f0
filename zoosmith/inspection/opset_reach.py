"""How far down the models of files and folders can go."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.opset_upgrade import Reach, reach


@dataclass(frozen=True)
class FileReach:
    """How far down the model of a file can go.

    Attributes:
        file: the file.
        reach: None where it cannot be judged.
        error: why; None where it can.
    """

    file: Path
    reach: Reach | None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found: dict[str, Any] = {} if self.reach is None else self.reach.as_dict()
        return {"file": str(self.file), "error": self.error, **found}


def reach_files(places: Iterable[Path], *, exact: bool = False, progress: Progress = SILENT) -> list[FileReach]:
    """Find the lowest opset of each model; one that cannot be read or judged does not stop the others.

    Args:
        places: files, and folders whose `.onnx` files are taken, those in folders below too.
        exact: count what holds only with a caveat as refused.
        progress: told of each file.

    Raises:
        ZoosmithError: there is no such file or folder, or no model in a folder.
    """
    files = [file for place in places for file in _models(place)]
    found = []
    with progress.task("trying", len(files)) as task:
        for file in files:
            try:
                found.append(FileReach(file, reach(load_in_place(file), exact=exact)))
            except ZoosmithError as error:
                found.append(FileReach(file, None, str(error).removeprefix(f"{file}: ")))
            task.advance(file.name)
    return found


def _models(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        if not place.exists():
            raise ZoosmithError(f"{place}: no such file or folder; expected ONNX models")
        yield place
        return
    files = sorted(place.rglob("*.onnx"))
    if not files:
        raise ZoosmithError(f"{place}: expected a folder with .onnx files, found none in it")
    yield from files
