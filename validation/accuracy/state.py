"""Files that keep what an evaluation has counted: it goes on from there, and its shards are put together.

A line of JSON says what is evaluated, and one more follows for each portion that was counted. A line that was cut off
is left out. So whatever stops an evaluation, each portion is in it once or not at all.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.external_data import external_files
from zoosmith.onnx_model.links import as_path
from zoosmith.onnx_model.loading import Model, load_structure
from zoosmith.onnx_model.reading import open_regular, read_regular, reading
from zoosmith.validation.accuracy.portions import Counts
from zoosmith.validation.errors import ValidationError

_FORMAT = "zoosmith evaluation 1"
_LARGEST = 1 << 30
_BLOCK = 1 << 20
_EXPECTED = "the state of an evaluation"


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of an evaluation: every `of`-th portion.

    Attributes:
        number: of the part, from 1.
        of: how many parts there are.
    """

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ValidationError(f"shard {self}: expected a number from 1 to {self.of}")

    def has(self, portion: int) -> bool:
        """Whether a portion belongs to it."""
        return portion % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Counted:
    """What a state file holds.

    Attributes:
        path: of the file.
        what: is evaluated: equal in files that belong together.
        settings: of the one who evaluates, in plain values.
        portions: counts by the number of the portion.
        length: of the file up to the end of its last whole line, in bytes.
    """

    path: Path
    what: Mapping[str, Any]
    settings: Mapping[str, Any]
    portions: Mapping[int, Counts]
    length: int


class StateFile(AbstractContextManager["StateFile"]):
    """The state of an evaluation that is under way.

    Args:
        path: of the file, which is made where it is absent.
        what: is evaluated.
        settings: to keep for whoever puts shards together.

    Attributes:
        portions: what the file holds already, by the number of the portion.

    Raises:
        ValidationError: the file is none, or of another evaluation.
    """

    def __init__(self, path: Path, what: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.portions: dict[int, Counts] = {}
        length = 0
        if path.exists() and path.stat().st_size:
            earlier = read_state(path)
            _check_same(earlier, what, "what is evaluated now")
            self.portions = dict(earlier.portions)
            length = earlier.length
        self._file: IO[bytes] = open(path, "ab")  # noqa: SIM115 - closed with the object
        self._file.truncate(length)
        if not length:
            self._write({"format": _FORMAT, "what": what, "settings": settings})

    def add(self, counts: Counts) -> None:
        """Keep what was counted of a portion."""
        self._write(counts.as_dict())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _write(self, values: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(values).encode() + b"\n")
        self._file.flush()


def read_state(path: Path) -> Counted:
    """Read a state file.

    Args:
        path: of the file.

    Raises:
        ValidationError: it is none, or a whole line of it is damaged.
    """
    with reading(path, _EXPECTED, ValidationError):
        content = read_regular(path, most=_LARGEST, error=ValidationError)
        lines = content.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        try:
            first, *rows = (json.loads(line) for line in lines)
            if first["format"] != _FORMAT:
                raise ValueError(first["format"])
            counted = [Counts.from_dict(row) for row in rows]
            number = int(first["what"]["portions"])
            if not all(0 <= each.number < number for each in counted):
                raise ValueError("a portion beyond the last")
            return Counted(
                path, first["what"], first["settings"], {each.number: each for each in counted}, sum(map(len, lines))
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ValidationError(f"expected {_EXPECTED}, found something else or a damaged line") from error


def merged(paths: Sequence[Path]) -> tuple[Counted, list[Counts]]:
    """Put the shards of an evaluation together; a portion that several of them hold counts once.

    Args:
        paths: of the state files.

    Returns:
        The first file, and the counts of every portion.

    Raises:
        ValidationError: files are of different evaluations, count a portion differently, or portions are missing.
    """
    first, *others = (read_state(path) for path in paths)
    found = dict(first.portions)
    for other in others:
        _check_same(other, first.what, os.fspath(first.path))
        for number, counts in other.portions.items():
            if found.setdefault(number, counts) != counts:
                raise ValidationError(f"{other.path}: counts portion {number} otherwise than a file before it")
    missing = sorted(set(range(first.what["portions"])) - set(found))
    if missing:
        every = first.what["portions"]
        raise ValidationError(
            f"{len(missing)} of {every} portions are in none of the state files, as number {missing[0]}: "
            f"let every shard end (it goes on with the same {argument('state')}), and give the files of all"
        )
    return first, [found[number] for number in sorted(found)]


def digest(model: Model) -> str:
    """SHA-256 of a model and of the files that hold its data."""
    total = hashlib.sha256()
    if isinstance(model, (str, os.PathLike)):
        path = as_path(model)
        for file in (path, *(path.parent / name for name in external_files(load_structure(path)))):
            with open_regular(file, error=ValidationError) as stream:
                while block := stream.read(_BLOCK):
                    total.update(block)
    else:
        total.update(model if isinstance(model, bytes) else model.SerializeToString(deterministic=True))
    return total.hexdigest()


def digest_of_lines(lines: Iterable[str]) -> str:
    """SHA-256 of texts in their order."""
    total = hashlib.sha256()
    for line in lines:
        total.update(line.encode(errors="surrogateescape") + b"\0")
    return total.hexdigest()


def _check_same(state: Counted, what: Mapping[str, Any], whose: str) -> None:
    for key, value in what.items():
        if state.what.get(key) != value:
            raise ValidationError(
                f"{state.path}: is of another evaluation: its {key} differ from those of {whose}; "
                f"remove the file, or give another {argument('state')}"
            )
