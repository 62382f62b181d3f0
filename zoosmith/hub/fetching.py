"""A file of a zoo by name: found in the source's manifest, held to what is known of it, downloaded."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from zoosmith.execution import SILENT, Progress
from zoosmith.hub.errors import HubError, NotFoundError
from zoosmith.hub.manifest import LARGEST_MANIFEST, MANIFEST_NAME, HubFile, Manifest, ModelInfo, parse_manifest
from zoosmith.hub.pins import license_of, pinned_info, pinned_infos
from zoosmith.hub.sources import open_source, read_file
from zoosmith.hub.store import Store, default_cache
from zoosmith.onnx_model.argument_names import argument

# onnx/models' notice of July 2025 says that its files are here, in the tree that it had
DEFAULT_SOURCE = "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main"

_LARGEST_CARD = 1 << 20
_LISTED = 12


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched.

    Attributes:
        info: its entry.
        path: where it is kept.
        file: its path in the tree, size and SHA-256.
        source: the tree that it is from.
        pinned: whether the SHA-256 that it was held to is the published one that the project carries; else it is what
            the source's own manifest says.
        published: SHA-256 of the published file of this name, where that is another one; None where it is not or there
            is none.
        license: in the words of the zoo's table or of the model's card; None where neither tells.
        cached: whether it was there already.
        notes: what else there is to say of it.
    """

    info: ModelInfo
    path: Path
    file: HubFile
    source: str
    pinned: bool
    published: str | None
    license: str | None
    cached: bool
    notes: tuple[str, ...]


class Hub:
    """One tree and the cache for its files.

    Args:
        source: an https URL, a file URL or a folder, in which the manifest lies.
        cache: folder of the cache; None for the user's own.
        timeout: seconds after which a server that sends nothing is given up.

    Raises:
        HubError: the source is none of these.
    """

    def __init__(self, source: str = DEFAULT_SOURCE, *, cache: Path | None = None, timeout: float = 60) -> None:
        self._source = open_source(source, timeout)
        self._store = Store(default_cache() if cache is None else cache)
        # only this source promises the published files
        self._published = source.rstrip("/") == DEFAULT_SOURCE

    @cached_property
    def manifest(self) -> Manifest:
        """What the source lists. The published files are known without its manifest."""
        try:
            content = read_file(self._source, MANIFEST_NAME, LARGEST_MANIFEST)
        except NotFoundError:
            if not self._published:
                raise
            return Manifest(tuple(pinned_infos()), ())
        return parse_manifest(content, f"{self._source.name}/{MANIFEST_NAME}")

    def search(self, name: str | None = None, tags: Iterable[str] = ()) -> list[ModelInfo]:
        """The entries with a name and all of some tags.

        Args:
            name: a model's title, folder, file prefix or file, without regard to case; None for all.
            tags: words that the entry has among its tags, without regard to case.
        """
        wanted = {tag.casefold() for tag in tags}
        return [
            info
            for info in self.manifest.infos
            if (name is None or name.casefold() in info.names) and wanted <= {tag.casefold() for tag in info.tags}
        ]

    def find(self, name: str, *, opset: int | None = None) -> ModelInfo:
        """The entry that a name means: `densenet-121:12-int8`, or without the row the newest float one.

        Args:
            name: as for `search`, with a colon and a row where one is wanted.
            opset: of the entry; None for the highest.

        Raises:
            HubError: there is none, or there are several models; the message names what there is.
        """
        model, _, row = name.partition(":")
        found = self.search(model)
        if not found:
            raise HubError(f"{self._source.name}: has no model {model!r}{self._alike(model)}")
        exact = [info for info in found if info.stem.casefold() == model.casefold()]
        if exact:
            found = exact
        prefixes = sorted({info.prefix for info in found})
        if len(prefixes) > 1:
            raise HubError(f"{self._source.name}: {model!r} is several models: {_listed(prefixes)}")
        chosen = [info for info in found if (not row or info.row == row) and opset in (None, info.opset)]
        if not chosen:
            asked = f"row {row!r}" if row else f"row of opset {opset}"
            raise HubError(
                f"{self._source.name}: {model} has no {asked}; its rows are {_listed(info.row for info in found)}"
            )
        # a row such as 12-int8 is another model's, unless it is asked for
        return max(chosen, key=lambda info: (info.row.isdecimal(), info.opset))

    def fetch(
        self, info: ModelInfo, *, archive: bool = False, force: bool = False, progress: Progress = SILENT
    ) -> Fetched:
        """Download a file, unless it is kept already.

        Args:
            info: its entry.
            archive: whether it is the archive with model and test data, instead of the model.
            force: download it even where it is kept.
            progress: told of every piece.

        Raises:
            HubError: the source has not the file, or another one under its name.
        """
        pin = pinned_info(info)
        listed, published = _file(info, archive), None if pin is None else _file(pin, archive)
        wanted, notes = listed, []
        if published is not None and published.sha256 != listed.sha256:
            notes.append(
                f"the manifest of {self._source.name} says SHA-256 {listed.sha256}, "
                f"the published {published.name} has {published.sha256}"
            )
            if self._published:
                wanted = replace(published, path=listed.path)
        if None in (wanted.size, wanted.sha256):
            raise HubError(
                f"{self._source.name}: its manifest states no size or SHA-256 of {wanted.path}, so that it cannot be "
                "verified"
            )
        if force:
            self._store.remove(wanted)
        kept = self._store.find(wanted)
        pinned = published is not None and published.sha256 == wanted.sha256
        return Fetched(
            info=info,
            path=self._download(wanted, progress) if kept is None else kept,
            file=wanted,
            source=self._source.name,
            pinned=pinned,
            published=None if published is None or pinned else published.sha256,
            # the table's licence is of the published weights
            license=license_of(info) if pinned else self._license(info),
            cached=kept is not None,
            notes=tuple(notes),
        )

    def _download(self, file: HubFile, progress: Progress) -> Path:
        first, second = file.places
        try:
            return self._store.download(self._source, first, file, progress)
        except NotFoundError as error:
            try:
                return self._store.download(self._source, second, file, progress)
            except NotFoundError:
                raise error from None

    def _license(self, info: ModelInfo) -> str | None:
        """The licence of the model's card; None where it has none."""
        folder = next(
            (parent for parent in PurePosixPath(info.model_path).parents if parent.name not in ("model", "models")),
            PurePosixPath(),
        )
        for place in HubFile(str(folder / "README.md"), None, None).places:
            try:
                return license_in(read_file(self._source, place, _LARGEST_CARD).decode(errors="replace"))
            except HubError:
                continue
        return None

    def _alike(self, name: str) -> str:
        folded = name.casefold()
        alike = sorted({info.prefix for info in self.manifest.infos if any(folded in known for known in info.names)})
        return f"; there are {_listed(alike)}" if alike else f"; {argument('list_models')} names all"


def license_in(card: str) -> str | None:
    """The first line below the heading "License" of a model card; None where there is none.

    Args:
        card: in Markdown.
    """
    found = re.search(r"^#+ *licen[sc]e\s*\n+(\S[^\n]*)", card, re.IGNORECASE | re.MULTILINE)
    return found[1].strip() if found else None


def _file(info: ModelInfo, archive: bool) -> HubFile:
    if not archive:
        return info.model_file
    if info.archive is None:
        raise HubError(f"{info.stem}: there is no archive with test data of it")
    return info.archive


def _listed(names: Iterable[str]) -> str:
    every: Sequence[str] = list(dict.fromkeys(names))
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return ", ".join(every[:_LISTED]) + more
