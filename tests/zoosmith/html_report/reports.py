"""Reports that the tests draw: one with everything, and one of an older zoosmith."""

import base64
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

# ends every context that it may reach: text, attributes, scripts, styles, SVG, formulas of plots
HOSTILE = "</td></script></style><script>alert(1)</script><img src=x onerror=alert(2)>\"'$\\frac{$|[x](y)\x1b\u202e\x00"


def share(percent: float, images: int = 500) -> dict[str, Any]:
    low, high = max(0.0, percent - 3), min(100.0, percent + 3)
    return {"percent": percent, "interval_95": [low, high], "images": int(percent * images / 100)}


def check(name: str, figure: Any, limit: Any, passed: bool = True) -> dict[str, Any]:
    return {"name": name, "figure": figure, "limit": limit, "passed": passed}


def row(name: str, error: float, *, integer: bool = False, passed: bool = True) -> dict[str, Any]:
    figure = {"max_abs": error, "max_rel": error, "max_scaled": error, "cosine": 1 - error, "reason": None}
    limit = {"cosine": 0.999} if integer else {"rtol": 0.001, "atol": 1e-05, "scale": 1.6}
    checks = [check("declared opset", 12, 12), check("data set 0: error", figure, limit, passed)]
    return {
        "name": name,
        "title": f"Model {name}",
        "opset": 12,
        "model": {"path": f"model/net-{name}.onnx", "size": 8_000_000, "sha256": "a" * 64},
        "archive": {"path": f"model/net-{name}.tar.gz", "size": 9_000_000, "sha256": "b" * 64},
        "checks": checks,
        "ran_in": {"name": "ONNX Runtime", "version": "1.32.0"},
        "published": None,
        "passed": passed,
        "layers": [layer(index) for index in range(40)] if integer else [],
    }


def layer(index: int) -> dict[str, Any]:
    return {
        "name": f"conv{index}",
        "op_type": "Conv",
        "snr_db": 40.0 - (index * 7) % 23,
        "minimum": -1.0 - index,
        "maximum": 2.0 + index,
        "clipped": 0.001 if index % 5 == 0 else 0.0,
    }


def jpeg() -> str:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 80, 20)).save(file, "JPEG")
    return base64.b64encode(file.getvalue()).decode()


def picture(name: str) -> dict[str, Any]:
    best = [{"class": index, "name": "", "score": 9.0 - index} for index in range(5)]
    return {
        "image": name,
        "label": 0,
        "name": "",
        "jpeg": jpeg(),
        "answers": {"net-9.onnx": best, "net-12-int8.onnx": best[::-1]},
    }


def full_report(name: str = "Net") -> dict[str, Any]:
    """A report with everything that a build may find; `name` stands wherever a file may put one."""
    failed = row("7", 1e-3, passed=False)
    return {
        "passed": False,
        "title": name,
        "kind": "Caffe2 net",
        "weights": name,
        "synthetic": False,
        "nets": {name: {"bytes": 1, "sha256": "c" * 64}},
        "reference": "builtin",
        "sets": 1,
        "seed": 0,
        "samples": name,
        "command": ["--net", name],
        "calibration": {"samples": name, "made_up": False, "distance": None},
        "rows": [failed, row("9", 0.0), row("12", 2e-6), row("12-int8", 3e-4, integer=True), row(name, 1e-6)],
        "versions": {name: "1.0"},
        "accuracy": {
            "data": name,
            "images": 500,
            "top1": {"9": share(80), "12-int8": share(79), name: share(1)},
            "top5": {"9": share(95), "12-int8": share(94.5)},
            "agreements": [
                {
                    "first": "net-9.onnx",
                    "second": name,
                    "same_top1": share(97),
                    "mean_logit_error": 0.01,
                    "max_logit_error": 0.2,
                }
            ],
            "pictures": [picture(name), picture("a.jpg")],
        },
    }


def bench_output(name: str = "net-9.onnx") -> dict[str, Any]:
    models = [
        {
            "model": f"zoo/{model}",
            "threads": 1,
            "runs": 5,
            "median_ms": 10.0 + at,
            "fastest_ms": 9.0,
            "speed": 1.0,
            "times_ms": [9.0 + at, 10.0 + at, 10.5 + at, 11.0 + at, 14.0 + at],
            "bytes": 8_000_000 - at * 1_000_000,
            "peak_memory_bytes": 1000,
        }
        for at, model in enumerate((name, "net-12-int8.onnx"))
    ]
    return {"command": "bench", "version": "0.1.0", "result": {"models": models}}


def write_folder(folder: Path, report: dict[str, Any], *beside: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report))
    for output in beside:
        (folder / f"{output['command']}.json").write_text(json.dumps(output))
    return folder


OLD_REPORT = {
    "passed": True,
    "title": "Old",
    "rows": [
        {
            "name": "9",
            "opset": 9,
            "model": {"path": "model/old-9.onnx", "size": 10, "sha256": "0" * 64},
            "checks": [{"name": "declared opset", "figure": 9, "limit": 9, "passed": True}],
            "passed": True,
        }
    ],
}
