"""The manifest that `onnx.hub` reads: one entry a row."""

import json
from typing import Any

from zoosmith.recipes.recipe import Recipe
from zoosmith.report import Report, RowReport


def manifest(recipe: Recipe, report: Report) -> str:
    """Write the manifest of a build.

    Args:
        recipe: gives folder and tags.
        report: what the build found.

    Returns:
        The content of ONNX_HUB_MANIFEST.json, entries sorted by path as in the published one.
    """
    entries = sorted((_entry(recipe, row) for row in report.rows), key=lambda entry: str(entry["model_path"]))
    return json.dumps(entries, indent=1) + "\n"


def _entry(recipe: Recipe, row: RowReport) -> dict[str, Any]:
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
        },
    }
