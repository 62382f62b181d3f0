"""The manifest that `onnx.hub` reads: one entry a row."""

import json
from collections.abc import Iterable
from typing import Any

from zoosmith.recipes.recipe import Recipe
from zoosmith.report import Report, RowReport


def manifest(builds: Iterable[tuple[Recipe, Report]]) -> str:
    """Write the manifest of a tree.

    Args:
        builds: the recipes, which give folders and tags, each with what its build found.

    Returns:
        The content of ONNX_HUB_MANIFEST.json, entries sorted by path as in the published one.
    """
    return manifest_text(entry for recipe, report in builds for entry in manifest_entries(recipe, report))


def manifest_entries(recipe: Recipe, report: Report) -> list[dict[str, Any]]:
    """Return the entries of one build."""
    return [_entry(recipe, row) for row in report.written]


def manifest_text(entries: Iterable[dict[str, Any]]) -> str:
    """Write entries as a manifest."""
    return json.dumps(sorted(entries, key=lambda entry: str(entry["model_path"])), indent=1) + "\n"


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
        },
    }
