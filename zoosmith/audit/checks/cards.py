"""Checks of a model card: its links lead to files, its numbers are those of the files, and it has all files."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from zoosmith.audit.files import AuditedFile, infos_by_place, pointer_at
from zoosmith.audit.names import CARD, UNCLAIMED, opset_in
from zoosmith.audit.registry import check
from zoosmith.hub.manifest import ModelInfo
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.validation.reading.unpacking import unpacked_size

_LARGEST_CARD = 4 << 20
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[([^\]\n]*)\]\(\s*<?([^)\s>]+)>?[^)\n]*\)")
_SIZE = re.compile(r"(\d+(?:\.(\d+))?)\s*(k|M|G)i?B( unpacked)?", re.IGNORECASE)
_FILES = (".onnx", ".tar.gz")
_UNITS = {"k": 1, "m": 2, "g": 3}


@dataclass(frozen=True)
class _Row:
    """A row of a table: its cells by their headings in lower case, and all its links (text and target)."""

    cells: dict[str, str]
    links: list[tuple[str, str]]


@check("links", "card")
def links(file: AuditedFile) -> Iterable[str]:
    """Every link to a file of the tree leads to one."""
    for target in dict.fromkeys(target for _, target in _LINK.findall(_text(file.path))):
        path = _target(file, target)
        if path is not None and not path.exists():
            yield f"link to {target!r}: there is no such file"


@check("numbers", "card")
def numbers(file: AuditedFile) -> Iterable[str]:
    """Sizes, opsets and ONNX releases in its table are those of the files that the row links to."""
    infos = infos_by_place(file.subject.entries)
    for row in _rows(_text(file.path)):
        for text, target in row.links:
            path = _target(file, target)
            if path is None or not path.is_file() or not target.endswith(_FILES):
                continue
            yield from _wrong_size(text, target, path)
            if target.endswith(".onnx"):
                place = Path(os.path.relpath(path, file.subject.root)).as_posix()
                info = infos[place][0] if place in infos else None
                yield from _wrong_versions(row, target, path, info)


@check("in the card", "model", "archive")
def in_the_card(file: AuditedFile) -> Iterable[str] | None:
    """The card nearest to it that links to models or archives links to it too."""
    if file.path.name == UNCLAIMED:
        return None
    for card in _cards_above(file):
        try:
            names = {_name(target) for _, target in _LINK.findall(_text(card)) if _name(target).endswith(_FILES)}
        except (ZoosmithError, OSError):  # which the card's own audit says
            return None
        if names:
            shown = card.relative_to(file.subject.root.absolute())
            return [] if file.path.name in names else [f"{shown} links to other models and archives, not to this one"]
    return None


def _cards_above(file: AuditedFile) -> Iterator[Path]:
    """The cards in its folder and in those above it, up to the root of the tree."""
    root = file.subject.root.absolute()
    for folder in file.path.absolute().parents:
        if root in (folder, *folder.parents):
            yield from sorted(path for path in folder.iterdir() if path.name.lower() == CARD and path.is_file())


def _name(target: str) -> str:
    """The last part of what a link leads to, in the tree or in the web."""
    return unquote(target.partition("#")[0].partition("?")[0]).rpartition("/")[2]


def _wrong_size(text: str, target: str, path: Path) -> Iterator[str]:
    stated = _SIZE.search(text)
    if stated is None:
        return
    pointer = pointer_at(path)
    if stated[4]:
        size, what = None if pointer else _unpacked_size(path), "the file unpacks to"
    else:
        size, what = pointer.size if pointer else path.stat().st_size, "the file has"
    if size is None:
        return
    power, step = _UNITS[stated[3].lower()], 10.0 ** -len(stated[2] or "")
    # cards count in powers of 1000 and of 1024, and round up, down and to the nearest
    if all(abs(float(stated[1]) - size / base**power) >= step for base in (1000, 1024)):
        yield f"{target}: the card says {stated[0]}, {what} {size:,} bytes"


def _unpacked_size(path: Path) -> int | None:
    """Bytes of the tar in an archive; None where it cannot be read, which its own audit says."""
    try:
        return unpacked_size(path)
    except ZoosmithError:
        return None


def _wrong_versions(row: _Row, target: str, path: Path, info: ModelInfo | None) -> Iterator[str]:
    opset = row.cells.get("opset version", "")
    declared = _declared(path)
    if opset.isdecimal() and declared is not None and int(opset) != declared:
        yield f"{target}: the card says opset {opset}, the file declares {declared}"
    elif opset.isdecimal() and opset_in(path.name) not in (None, int(opset)):
        yield f"{target}: the card says opset {opset}, the name of the file another one"
    release = row.cells.get("onnx version", "")
    if info is not None and release and info.onnx_version and release != info.onnx_version:
        yield f"{target}: the card says ONNX {release}, the manifest {info.onnx_version}"


def _declared(path: Path) -> int | None:
    """The opset that a model declares; None where it cannot be read, which its own audit says."""
    try:
        return default_opset(load_in_place(path))
    except ZoosmithError:
        return None


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_CARD:
        raise ZoosmithError(f"refused: it has more than {_LARGEST_CARD:,} bytes")
    text = path.read_bytes().decode("utf-8", errors="replace")
    return _INLINE.sub("", _FENCED.sub("", text))


def _target(file: AuditedFile, target: str) -> Path | None:
    """The file that a link leads to; None for the web, places in the card itself, and what is outside of the tree."""
    plain = unquote(target.partition("#")[0].partition("?")[0])
    if not plain or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", plain) or plain.startswith("//") or "\0" in plain:
        return None
    root = os.path.abspath(file.subject.root)
    start = root if plain.startswith("/") else os.path.abspath(file.path.parent)
    path = os.path.normpath(os.path.join(start, plain.lstrip("/")))
    return type(file.path)(path) if os.path.commonpath([root, path]) == root else None


def _rows(text: str) -> Iterator[_Row]:
    headings: list[str] = []
    for line in text.splitlines():
        if not line.strip().startswith("|"):
            headings = []
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not headings:
            headings = [cell.lower() for cell in cells]
            continue
        yield _Row(dict(zip(headings, cells, strict=False)), _LINK.findall(line))
