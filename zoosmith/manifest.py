"""The manifest that `onnx.hub` reads: one entry a row."""

import json
from typing import Any

from zoosmith.recipes.densenet121 import FOLDER, TAGS
from zoosmith.report import Report, RowReport


def manifest(report: Report) -> str:
    """Return the content of ONNX_HUB_MANIFEST.json, entries sorted by path as in the published one."""
    entries = sorted(map(_entry, report.rows), key=lambda entry: str(entry["model_path"]))
    return json.dumps(entries, indent=1) + "\n"


def _entry(row: RowReport) -> dict[str, Any]:
    return {
        "model": row.title,
        "model_path": f"{FOLDER}/{row.model.path}",
        "onnx_version": row.onnx_version,
        "opset_version": row.opset,
        "metadata": {
            "model_sha": row.model.sha256,
            "model_bytes": row.model.size,
            "tags": list(TAGS),
            "io_ports": {"inputs": list(row.inputs), "outputs": list(row.outputs)},
            **({"extra_ports": {"features": list(row.features)}} if row.features else {}),
            "model_with_data_path": f"{FOLDER}/{row.archive.path}",
            "model_with_data_sha": row.archive.sha256,
            "model_with_data_bytes": row.archive.size,
        },
    }
