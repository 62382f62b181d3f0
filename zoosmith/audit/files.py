"""A file under audit: where it lies, what is said of it, and what is read of it, each once and only when asked for."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from onnx import ModelProto

from zoosmith.hub.manifest import LARGEST_MANIFEST, HubFile, Manifest, ModelInfo, parse_manifest
from zoosmith.hub.store import sha256_of
from zoosmith.onnx_model.errors import ModelError, ZoosmithError
from zoosmith.onnx_model.lfs import LARGEST_POINTER, Pointer, parse_pointer
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.validation.reading.unpacking import unpacked
from zoosmith.validation.verification.proof import Limits

Got = TypeVar("Got")
Kind: TypeAlias = Literal["manifest", "model", "archive", "card"]


class UnreadableError(ZoosmithError):
    """A file that a check needs cannot be read; one check says so, the others do not apply."""


class NotCheckedError(ZoosmithError):
    """A check that could not be made here, which says nothing against the file."""


@dataclass(frozen=True)
class Subject:
    """A file to be audited.

    Attributes:
        path: of the file, which may not be there.
        kind: of the file.
        root: folder of the tree that it belongs to: that of the manifest, or what was asked for.
        info: its entry in the tree's manifest; None where there is none.
        listed: its path, size and SHA-256 as that entry states them.
        entries: the entries of the tree's manifest, for a card.
    """

    path: Path
    kind: Kind
    root: Path
    info: ModelInfo | None = None
    listed: HubFile | None = None
    entries: tuple[ModelInfo, ...] = ()


class _ReadOnce(Generic[Got]):
    """A property that is read once for all checks; where the file is unreadable, that is kept as well."""

    def __init__(self, read: Callable[[Any], Got]) -> None:
        self._read = read
        self._name = read.__name__
        self.__doc__ = read.__doc__

    def __get__(self, file: Any, owner: type | None = None) -> Got:
        found = file.__dict__
        if self._name not in found:
            try:
                found[self._name] = self._read(file)
            except UnreadableError as error:
                found[self._name] = error
        got: Got | UnreadableError = found[self._name]
        if isinstance(got, UnreadableError):
            raise got
        return got

    def __set__(self, file: Any, value: Got) -> None:
        raise AttributeError(f"{self._name} is what the file holds")


class AuditedFile:
    """What checks see of a file. Made by `opened`.

    Attributes:
        subject: the file.
        limits: for outputs that are computed again.
    """

    def __init__(self, subject: Subject, limits: Limits, exits: ExitStack) -> None:
        self.subject = subject
        self.limits = limits
        self._exits = exits

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.subject.path

    @cached_property
    def is_there(self) -> bool:
        """Whether it is a regular file, at the end of a link or not."""
        return self.path.is_file()

    @cached_property
    def pointer(self) -> Pointer | None:
        """What a Git LFS pointer in its place points to; None where it is the file itself."""
        return pointer_at(self.path) if self.is_there else None

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return sha256_of(self.path)

    @_ReadOnce
    def manifest(self) -> Manifest:
        """What a manifest lists."""
        if self.path.stat().st_size > LARGEST_MANIFEST:
            raise UnreadableError(f"refused: it has more than {LARGEST_MANIFEST:,} bytes")
        try:
            return parse_manifest(self.path.read_bytes(), self.path.name)
        except ZoosmithError as error:
            raise UnreadableError(str(error).removeprefix(f"{self.path.name}: ")) from error

    @_ReadOnce
    def contents(self) -> Path:
        """The folder that an archive is unpacked in while it is audited."""
        try:
            return self._exits.enter_context(unpacked(self.path))
        except ZoosmithError as error:
            raise UnreadableError(str(error)) from error

    @_ReadOnce
    def model_path(self) -> Path:
        """The model's file: the file itself, or the one in the archive."""
        if self.subject.kind == "model":
            return self.path
        models = self.models
        if len(models) != 1:
            raise UnreadableError("there is no single model")
        return models[0]

    @_ReadOnce
    def models(self) -> list[Path]:
        """The models in an archive."""
        return sorted(path for path in self.contents.rglob("*.onnx") if not path.name.startswith("."))

    @_ReadOnce
    def structure(self) -> ModelProto:
        """The model, its large tensors left in the file."""
        try:
            return load_in_place(self.model_path)
        except ModelError as error:
            raise UnreadableError(str(error).removeprefix(f"{self.model_path}: ")) from error

    @cached_property
    def loose_model(self) -> Path | None:
        """The model's own file beside an archive; None where there is none, or only a Git LFS pointer."""
        info = self.subject.info
        paths = [self.path.with_name(self.stem + ".onnx")]
        if info is not None:
            paths += [self.subject.root / place for place in info.model_file.places]
        return next((path for path in paths if path.is_file() and pointer_at(path) is None), None)

    @property
    def stem(self) -> str:
        """The name of the file without `.onnx` or `.tar.gz`."""
        return stem_of(self.path.name)


@contextmanager
def opened(subject: Subject, limits: Limits) -> Iterator[AuditedFile]:
    """Give what checks see of a file; what they unpacked is removed afterwards."""
    with ExitStack() as exits:
        yield AuditedFile(subject, limits, exits)


def pointer_at(path: Path) -> Pointer | None:
    """The Git LFS pointer that a file is; None for other files."""
    with path.open("rb") as stream:
        return parse_pointer(stream.read(LARGEST_POINTER + 1))


def stem_of(name: str) -> str:
    """The name of a model's file or archive without its suffix."""
    for suffix in (".onnx", ".tar.gz", ".tgz", ".tar"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def infos_by_place(infos: tuple[ModelInfo, ...]) -> Mapping[str, tuple[ModelInfo, HubFile]]:
    """Entries of a manifest, with the file of each, by every path that a tree may have the file at."""
    return {
        place: (info, file)
        for info in infos
        for file in (info.model_file, info.archive)
        if file is not None
        for place in file.places
    }
