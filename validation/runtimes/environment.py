"""Environments of their own for runtimes: made whole from pinned wheels or not at all, listed, removed."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from zoosmith.validation.cache_folder import cache_folder
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.runtimes.pins import PinnedRuntime
from zoosmith.validation.runtimes.pythons import find_python

_MARKER = "zoosmith-runtime.json"
# what must run in a new environment before it counts as one
_CHECKS = {
    "onnxruntime": "import onnxruntime; onnxruntime.InferenceSession",
    "openvino": "import openvino",
    "opencv-python-headless": "import cv2; cv2.dnn.readNetFromONNX",
    "caffe2": "from caffe2.python import workspace; from caffe2.python.onnx import backend, frontend; "
    "workspace.RunNetOnce",
}


def location(runtime: PinnedRuntime) -> Path:
    """The folder of a runtime's environment, there or not: in ZOOSMITH_CACHE, else in the user's cache folder.

    Args:
        runtime: which one.
    """
    return cache_folder("runtimes") / f"{runtime.name}-{runtime.version}"


def find_environment(runtime: PinnedRuntime) -> Path | None:
    """Return the Python of an installed runtime.

    Args:
        runtime: which one.

    Returns:
        Its path; None where the runtime is not installed, half-made or from other wheels.
    """
    try:
        complete = json.loads((location(runtime) / _MARKER).read_text()) == runtime.pinned()
    except (OSError, ValueError):
        return None
    python = _python_of(location(runtime))
    return python if complete and python.exists() else None


def installed_python(runtime: PinnedRuntime) -> Path:
    """Return the Python of an installed runtime.

    Args:
        runtime: which one.

    Raises:
        ValidationError: it is not installed; the message names the command that installs it.
    """
    python = find_environment(runtime)
    if python is None:
        raise ValidationError(f"{runtime} is not installed; `zoosmith runtime install {runtime}` makes its environment")
    return python


def base_python(runtime: PinnedRuntime) -> Path | None:
    """A Python on this machine from which a runtime's environment can be made; None where there is none.

    Args:
        runtime: which one.
    """
    return find_python(runtime.pythons)


def install(runtime: PinnedRuntime, report: Callable[[str], None] | None = None) -> Path:
    """Make a runtime's environment if it is not there yet and return its Python.

    It appears at `location(runtime)` only when it is complete and the runtime has been loaded from it.

    Args:
        runtime: what to install.
        report: called with the name of each step.

    Raises:
        ValidationError: there is no fitting Python, or a step of the installation failed.
    """
    tell = report or (lambda step: None)
    installed = find_environment(runtime)
    if installed is not None:
        return installed
    tell(f"looking for a Python {_either(runtime.pythons)}")
    python = base_python(runtime)
    if python is None:
        wanted = _either(runtime.pythons)
        raise ValidationError(
            f"{runtime}: no Python {wanted} found on PATH, in pyenv or by uv, and there are wheels for no other: "
            f"install one (`pyenv install {runtime.pythons[0]}`, `uv python install {runtime.pythons[0]}`) "
            "and try again"
        )
    target = location(runtime)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise ValidationError(f"{target}: cannot be made: {error.strerror}; ZOOSMITH_CACHE sets its place") from error
    try:
        _fill(staging, runtime, python, tell)
        _move(staging, runtime)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return _python_of(target)


def remove(runtime: PinnedRuntime) -> bool:
    """Delete a runtime's environment, complete or not.

    Args:
        runtime: which one.

    Returns:
        Whether there was one.

    Raises:
        ValidationError: it cannot be deleted.
    """
    target = location(runtime)
    if not target.exists():
        return False
    try:
        # moved aside first, so that a stopped removal leaves nothing that counts as installed
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        target.rename(aside / "removed")
    except OSError as error:
        raise ValidationError(f"{target}: cannot be removed: {error.strerror}") from error
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _fill(staging: Path, runtime: PinnedRuntime, python: Path, tell: Callable[[str], None]) -> None:
    tell(f"making an environment with {python}")
    # -I: what PYTHONPATH holds would count as installed
    _step([python, "-I", "-m", "venv", staging], f"{runtime}: making the environment")
    tell("installing " + ", ".join(runtime.requirements))
    pins = staging / "requirements.txt"
    pins.write_text("\n".join(runtime.pinned()) + "\n")
    pip: list[str | Path] = [_python_of(staging), "-I", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    only = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-input", "--no-cache-dir"]
    _step([*pip, "install", *only, "-r", pins], f"{runtime}: installing")
    tell(f"loading {runtime.name}")
    _step([_python_of(staging), "-I", "-c", _CHECKS[runtime.name]], f"{runtime}: loading it")
    (staging / _MARKER).write_text(json.dumps(runtime.pinned()))


def _move(staging: Path, runtime: PinnedRuntime) -> None:
    target = location(runtime)
    if find_environment(runtime) is not None:
        return  # another process was quicker
    try:
        if target.exists():
            # what a stopped installation left; moved aside first, so that nothing is ever deleted in its place
            target.rename(staging / "replaced")
        staging.rename(target)
        shutil.rmtree(target / "replaced", ignore_errors=True)
    except OSError as error:
        if find_environment(runtime) is None:
            raise ValidationError(f"{target}: cannot be put in place: {error.strerror}; remove it first") from error


def _python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _either(versions: tuple[str, ...]) -> str:
    return " or ".join(filter(None, [", ".join(versions[:-1]), versions[-1]]))


def _step(command: list[str | Path], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ValidationError(f"{what} failed: {command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "no message")
        raise ValidationError(f"{what} failed: {reason}")
