"""Write the pins of every runtime in `_PLAN`, from PyPI: `python -m zoosmith.validation.runtimes.pinning`.

Each runtime gets the few packages that importing it needs, at fixed versions; the files `runtimes.tsv` (which Pythons,
which packages) and `wheels.tsv` (SHA-256 of every wheel that one of these Pythons can install) are written again.
"""

import json
import re
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

_PYTHONS = ("3.13", "3.12", "3.11", "3.10", "3.9", "3.8", "3.7", "3.6")
_HERE = Path(__file__).parent

# Runtime, its versions, the package that is it where the names differ, and what it needs besides.
_PLAN: tuple[tuple[str, str, str | None, str], ...] = (
    ("onnxruntime", "1.0.0 1.1.0 1.2.0 1.3.0 1.4.0 1.5.2 1.6.0 1.7.0 1.8.1 1.9.0 1.10.0", None, "numpy==1.19.5"),
    ("onnxruntime", "1.11.1 1.12.1 1.13.1 1.14.1", None, "numpy==1.21.6"),
    ("onnxruntime", "1.15.1 1.16.3 1.17.3 1.18.1 1.19.2", None, "numpy==1.24.4"),
    ("onnxruntime", "1.20.1 1.21.1 1.22.1 1.23.2", None, "numpy==2.2.6"),
    ("onnxruntime", "1.24.4 1.26.0 1.28.0 1.30.0 1.32.0", None, "numpy==2.3.5"),
    (
        "caffe2",
        "1.10.2",
        "torch",
        "numpy==1.23.5 protobuf==3.20.3 future==1.0.0 six==1.16.0 onnx==1.10.2 typing-extensions==4.12.2",
    ),
    ("openvino", "2022.1.0", None, "numpy==1.19.5"),
    ("openvino", "2024.6.0", None, "numpy==1.26.4 openvino-telemetry==2024.5.0 packaging==24.2"),
    ("openvino", "2026.4.1", None, "numpy==2.2.6 openvino-telemetry==2025.2.0"),
    ("opencv-python-headless", "4.5.5.64", None, "numpy==1.21.6"),
    ("opencv-python-headless", "4.10.0.84", None, "numpy==1.26.4"),
    ("opencv-python-headless", "5.0.0.93", None, "numpy==2.2.6"),
)


def main() -> None:
    """Write both files beside this module."""
    runtimes: list[tuple[str, ...]] = []
    wheels: set[tuple[str, ...]] = set()
    for name, versions, package, needed in _PLAN:
        for version in versions.split():
            requirements = [f"{package or name}=={version}", *needed.split()]
            found = {requirement: _wheels(*requirement.split("==")) for requirement in requirements}
            pythons = [p for p in _PYTHONS if all(any(_fits(w, p) for w in files) for files in found.values())]
            if not pythons:
                raise SystemExit(f"{name}=={version}: no Python has wheels of all of {', '.join(requirements)}")
            runtimes.append((name, version, " ".join(pythons), " ".join(requirements)))
            for requirement, files in found.items():
                used = [file for file in files if any(_installs(file, p) for p in pythons)]
                wheels.update((*requirement.split("=="), file, files[file]) for file in used)
    _write("runtimes.tsv", ("runtime", "version", "pythons", "requirements"), runtimes)
    _write("wheels.tsv", ("package", "version", "file", "sha256"), sorted(wheels))


@cache
def _index(package: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"https://pypi.org/simple/{package}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        files: list[dict[str, Any]] = json.load(answer)["files"]
    return files


def _wheels(package: str, version: str) -> dict[str, str]:
    """Every wheel of a release: file name -> SHA-256."""
    start = f"{package.replace('-', '_').lower()}-{version}-"
    return {
        file["filename"]: file["hashes"]["sha256"]
        for file in _index(package)
        if file["filename"].lower().startswith(start) and file["filename"].endswith(".whl")
    }


def _installs(wheel: str, python: str) -> bool:
    """Whether a wheel is for this version of CPython, on whatever platform."""
    tags, abi, platform = wheel[: -len(".whl")].split("-")[-3:]
    major, minor = python.split(".")
    if "musllinux" in platform or abi.endswith("t") or platform.endswith(("i686", "win32")):
        return False
    for tag in tags.split("."):
        if tag in (f"cp{major}{minor}", f"py{major}", f"py{major}{minor}"):
            # a tag py3 on a wheel for one ABI is a wheel for that Python alone
            made_for = re.fullmatch(r"cp3(\d+)m?", abi)
            return made_for is None or made_for[1] == minor
        lowest = re.fullmatch(r"cp3(\d+)", tag)
        if abi == "abi3" and lowest and int(lowest[1]) <= int(minor):
            return True
    return False


def _fits(wheel: str, python: str) -> bool:
    """Whether this version of CPython installs the wheel on a 64-bit Linux, where the pins are tried."""
    platform = wheel[: -len(".whl")].rpartition("-")[2]
    return _installs(wheel, python) and (platform == "any" or ("manylinux" in platform and "x86_64" in platform))


def _write(name: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    lines = ["# written by `python -m zoosmith.validation.runtimes.pinning` from PyPI's index", "\t".join(header)]
    (_HERE / name).write_text("\n".join(lines + ["\t".join(row) for row in rows]) + "\n")


if __name__ == "__main__":
    main()
