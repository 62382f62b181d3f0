"""The manifest that `onnx.hub` reads, one entry a row, and what of it is the same on every machine."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoosmith.hub.manifest import MANIFEST_NAME
from zoosmith.onnx_model.files import write_atomic
from zoosmith.recipes.recipe import Recipe
from zoosmith.results.report import Report, RowReport

CONTENTS = "contents.json"

# how an archive is compressed depends on the processor
_PACKED = ("model_with_data_sha", "model_with_data_bytes")


def write_manifest(out: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write the manifest of a tree, and `contents.json`.

    That holds the same entries without the hash and the size of each packed archive: two machines that build the same
    have the same there, byte for byte. Of what is in an archive, the hash and the size of its tar tell.

    Args:
        out: folder of the tree.
        entries: of all models.
    """
    listed = sorted(entries, key=lambda entry: str(entry["model_path"]))
    write_atomic(out / MANIFEST_NAME, _text(listed))
    write_atomic(out / CONTENTS, _text([_without_packing(entry) for entry in listed]))


def manifest_entries(recipe: Recipe, report: Report) -> list[dict[str, Any]]:
    """Return the entries of one build; the recipe gives folder and tags."""
    return [_entry(recipe, row) for row in report.written]


def _without_packing(entry: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in entry["metadata"].items() if key not in _PACKED}
    return {**entry, "metadata": kept}


def _text(entries: Sequence[Mapping[str, Any]]) -> bytes:
    return f"{json.dumps(entries, indent=1)}\n".encode()


def _entry(recipe: Recipe, row: RowReport) -> dict[str, Any]:
    assert row.model is not None and row.archive is not None
    return {
        "model": row.title,
        "model_path": f"{recipe.folder}/{row.model.path}",
        "onnx_version": row.onnx_version,
        "opset_version": row.opset,
        "metadata": {
            "model_sha": row.model.sha256,
            "model_bytes": row.model.size,
            "tags": list(recipe.tags),
            "io_ports": {"inputs": list(row.inputs), "outputs": list(row.outputs)},
            **({"extra_ports": {"features": list(row.features)}} if row.features else {}),
            "model_with_data_path": f"{recipe.folder}/{row.archive.path}",
            "model_with_data_sha": row.archive.sha256,
            "model_with_data_bytes": row.archive.size,
            "model_with_data_tar_sha": row.archive.tar_sha256,
            "model_with_data_tar_bytes": row.archive.tar_size,
        },
    }
