"""Reading ONNX_HUB_MANIFEST.json: one entry a file of a model, each checked before anything of it is used.

The fields are those that the zoo's generator writes and `onnx.hub` read: `model`, `model_path`, `onnx_version`,
`opset_version`, and in `metadata` sizes, SHA-256, tags, ports and the archive with test data.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from zoosmith.hub.errors import HubError
from zoosmith.onnx_model.errors import PathError
from zoosmith.onnx_model.paths import parts_below

MANIFEST_NAME = "ONNX_HUB_MANIFEST.json"
LARGEST_MANIFEST = 64 << 20
"""In bytes; the zoo's own has 0.3 MB."""

# the zoo moved its tree below this folder in 2023, and its manifest with it; trees and manifests of both kinds exist
_MOVED_BELOW = "validated"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file as a manifest lists it.

    Attributes:
        path: relative to the manifest, with `/`.
        size: in bytes; None where it is not stated.
        sha256: in hexadecimal; None where it is not stated.
    """

    path: str
    size: int | None
    sha256: str | None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def places(self) -> tuple[str, str]:
        """Where a tree may have it: at its path, or where the zoo's tree of the other time has it."""
        first, _, rest = self.path.partition("/")
        other = rest if first == _MOVED_BELOW and rest else f"{_MOVED_BELOW}/{self.path}"
        return self.path, other


@dataclass(frozen=True)
class ModelInfo:
    """An entry of a manifest, with the names that `onnx.hub.ModelInfo` had.

    Attributes:
        model: title of the model.
        model_path: of its file, relative to the manifest.
        onnx_version: the ONNX release that the entry names.
        opset: that the entry states, whatever the file declares.
        metadata: everything else, as it stands in the manifest.
        model_file: the file.
        archive: the archive with the model and its test data; None where there is none.
    """

    model: str
    model_path: str
    onnx_version: str
    opset: int
    metadata: Mapping[str, Any]
    model_file: HubFile
    archive: HubFile | None

    @property
    def model_sha(self) -> str | None:
        """SHA-256 of the model's file."""
        return self.model_file.sha256

    @property
    def tags(self) -> set[str]:
        """What the model can be found by."""
        return set(self.metadata.get("tags", ()))

    @property
    def stem(self) -> str:
        """Name of the model's file without its suffix, `densenet-12-int8` for instance."""
        return PurePosixPath(self.model_path).stem

    @property
    def row(self) -> str:
        """What tells this file from the others of its model: the opset, and `int8` or the like behind it."""
        return split_stem(self.stem, self.opset)[1]

    @property
    def prefix(self) -> str:
        """What the files of the model have in common: `densenet` of `densenet-12-int8`."""
        return split_stem(self.stem, self.opset)[0]

    @property
    def folder(self) -> str:
        """Name of the model's folder, `densenet-121` for instance; empty where there is none."""
        parents = [part for part in PurePosixPath(self.model_path).parts[:-1] if part not in ("model", "models")]
        return parents[-1] if parents else ""

    @property
    def names(self) -> set[str]:
        """Every name that the model can be asked for by, in lower case."""
        title = self.model.removesuffix(f"-{self.row}")
        return {name.casefold() for name in (self.model, title, self.prefix, self.folder, self.stem) if name}


@dataclass(frozen=True)
class Manifest:
    """What a manifest lists.

    Attributes:
        infos: its entries.
        problems: of entries that cannot be used, in words.
    """

    infos: tuple[ModelInfo, ...]
    problems: tuple[str, ...]


def split_stem(stem: str, opset: int) -> tuple[str, str]:
    """Split the name of a model's file into prefix and row; the row is the opset where the name does not state it."""
    found = re.fullmatch(rf"(.+?)-({opset}(?:-[A-Za-z]\w*)?)", stem)
    return (found[1], found[2]) if found else (stem, str(opset))


def parse_manifest(content: bytes, name: str) -> Manifest:
    """Read a manifest.

    Args:
        content: of the file.
        name: of it, for messages.

    Raises:
        HubError: it is no JSON list.
    """
    try:
        entries = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise HubError(f"{name}: expected a manifest in JSON: {_reason(error)}") from error
    if not isinstance(entries, list):
        raise HubError(f"{name}: expected a JSON list of models, found {type(entries).__name__}")
    infos, problems = [], []
    for number, entry in enumerate(entries):
        wrong = list(_problems(entry))
        if wrong:
            label = entry.get("model_path", number) if isinstance(entry, dict) else number
            problems.append(f"entry {label!r}: {'; '.join(wrong)}")
        else:
            infos.append(_info(entry))
    return Manifest(tuple(infos), tuple(problems))


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _info(entry: Mapping[str, Any]) -> ModelInfo:
    metadata = entry["metadata"]
    path = metadata.get("model_with_data_path")
    archive = None
    if path:
        archive = HubFile(path, metadata.get("model_with_data_bytes"), metadata.get("model_with_data_sha"))
    return ModelInfo(
        model=entry["model"],
        model_path=entry["model_path"],
        onnx_version=str(entry.get("onnx_version", "")),
        opset=entry["opset_version"],
        metadata=metadata,
        model_file=HubFile(entry["model_path"], metadata.get("model_bytes"), metadata.get("model_sha")),
        archive=archive,
    )


def _problems(entry: Any) -> Iterator[str]:
    """What of an entry is not as it should be, in words."""
    if not isinstance(entry, dict):
        yield f"expected an object, found {type(entry).__name__}"
        return
    if not isinstance(entry.get("model"), str) or not entry["model"]:
        yield "no title in 'model'"
    opset = entry.get("opset_version")
    if not isinstance(opset, int) or isinstance(opset, bool) or opset < 1:
        yield f"opset_version is {opset!r}, no opset"
    yield from _path_problems("model_path", entry.get("model_path"))
    metadata = entry.get("metadata")
    if not isinstance(metadata, dict):
        yield "no object 'metadata'"
        return
    if metadata.get("model_with_data_path"):
        yield from _path_problems("model_with_data_path", metadata["model_with_data_path"])
    for key in ("model_sha", "model_with_data_sha"):
        stated = metadata.get(key)
        if stated is not None and not (isinstance(stated, str) and _SHA256.fullmatch(stated)):
            yield f"{key} is {stated!r}, no SHA-256"
    for key in ("model_bytes", "model_with_data_bytes"):
        stated = metadata.get(key)
        if stated is not None and (not isinstance(stated, int) or isinstance(stated, bool) or stated < 0):
            yield f"{key} is {stated!r}, no size"
    tags = metadata.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield "tags are no list of words"


def _path_problems(key: str, path: Any) -> Iterator[str]:
    if not isinstance(path, str):
        yield f"{key} is {path!r}, no path"
        return
    try:
        parts_below(path)
    except PathError as error:
        yield f"{key} is {path!r}: {error}"
