"""What there is to audit: the files of a folder, what a manifest lists beside them, or files by name."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from zoosmith.audit.files import Kind, Subject, infos_by_place
from zoosmith.audit.names import CARD
from zoosmith.hub.manifest import LARGEST_MANIFEST, MANIFEST_NAME, HubFile, ModelInfo, parse_manifest
from zoosmith.onnx_model.errors import ZoosmithError

_ARCHIVES = (".tar.gz", ".tgz", ".tar")


def find_subjects(paths: Iterable[Path]) -> list[Subject]:
    """The files to audit, each once.

    Args:
        paths: folders, manifests and files. Of a folder, everything below it and everything that its manifest, or one
            in a folder above it, lists there; of a manifest, what it says by itself; of a file, that file.

    Raises:
        ZoosmithError: a path is not there, or a folder holds nothing that can be audited.
    """
    trees = _Trees()
    found: dict[Path, Subject] = {}
    for path in paths:
        if path.is_dir():
            below = list(trees.around(path).below(path))
            if not below:
                raise ZoosmithError(
                    f"{path}: expected a folder with models (.onnx), archives (.tar.gz), model cards (README.md) or "
                    f"{MANIFEST_NAME}, found none of them"
                )
        elif os.path.lexists(path):
            below = [trees.around(path.parent).subject(path)]
        else:
            raise ZoosmithError(f"{path}: no such file or folder; expected what is to be audited")
        for subject in below:
            found.setdefault(subject.path, subject)
    return list(found.values())


class _Tree:
    """A folder with a manifest, or one without."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._entries = _entries(root)
        self._listed = infos_by_place(self._entries)

    def subject(self, path: Path) -> Subject:
        kind = _kind(path)
        if kind == "manifest":
            return Subject(path, kind, path.parent)
        if kind == "card":
            return Subject(path, kind, self._root, entries=self._entries)
        nothing: tuple[ModelInfo | None, HubFile | None] = (None, None)
        info, listed = self._listed.get(Path(os.path.relpath(path, self._root)).as_posix(), nothing)
        return Subject(path, kind, self._root, info, listed)

    def below(self, folder: Path) -> Iterator[Subject]:
        files = [path for path in _walk(folder) if _is_known(path)]
        yield from map(self.subject, files)
        if files:
            yield from self._absent(folder)

    def _absent(self, folder: Path) -> Iterator[Subject]:
        """What the manifest lists below a folder, and what is not there."""
        for info in self._entries:
            for listed in filter(None, (info.model_file, info.archive)):
                path = self._root / listed.path
                if any((self._root / place).is_file() for place in listed.places):
                    continue
                if folder.absolute() in path.absolute().parents:
                    yield Subject(path, "model" if listed is info.model_file else "archive", self._root, info, listed)


class _Trees:
    """Trees by folder, each manifest read once."""

    def __init__(self) -> None:
        self._known: dict[Path, _Tree] = {}

    def around(self, folder: Path) -> _Tree:
        """The tree of the nearest manifest, at a folder or above it; of the folder itself where there is none."""
        above = [folder, *folder.absolute().parents]
        root = next((place for place in above if (place / MANIFEST_NAME).is_file()), folder)
        if root not in self._known:
            self._known[root] = _Tree(root)
        return self._known[root]


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder in the order of their paths; hidden ones and links to folders are left out."""
    kind = type(folder)  # a path that follows links leads to such paths
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (kind(place, name) for name in sorted(files) if not name.startswith("."))


def _is_known(path: Path) -> bool:
    return path.name.endswith((".onnx", *_ARCHIVES)) or path.name == MANIFEST_NAME or path.name.lower() == CARD


def _kind(path: Path) -> Kind:
    name = path.name.lower()
    if name.endswith(_ARCHIVES):
        return "archive"
    if name.endswith(".json"):
        return "manifest"
    return "card" if name.endswith(".md") else "model"


def _entries(root: Path) -> tuple[ModelInfo, ...]:
    """The entries of a tree's manifest; none where it has none, or one that its own audit finds damaged."""
    path = root / MANIFEST_NAME
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_MANIFEST:
            return ()
        return parse_manifest(path.read_bytes(), str(path)).infos
    except (OSError, ZoosmithError):
        return ()
