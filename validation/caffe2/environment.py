"""The environment that holds Caffe2: torch 1.10.2, the last release with a compiled Caffe2, on Python 3.9."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

from zoosmith.validation.errors import ValidationError

REQUIREMENTS = ("torch==1.10.2", "numpy<1.24", "protobuf<3.21", "future", "six", "onnx==1.10.2")
_MARKER = "zoosmith-caffe2.json"
_CHECK = "from caffe2.python import workspace; from caffe2.python.onnx import backend, frontend; workspace.RunNetOnce"
_NO_PYTHON = (
    "no Python 3.9 found on PATH, in pyenv or by uv; Caffe2 runs on none newer: "
    "install one (`pyenv install 3.9`, `uv python install 3.9`) and try again"
)


def location() -> Path:
    """Return the folder of the environment, there or not: in ZOOSMITH_CACHE, else in the user's cache folder."""
    return Path(os.environ.get("ZOOSMITH_CACHE") or platformdirs.user_cache_dir("zoosmith")) / "caffe2-torch-1.10.2"


def find_environment() -> Path | None:
    """Return the Python of the installed environment, or None where there is none or a half-made one."""
    try:
        complete = json.loads((location() / _MARKER).read_text()) == list(REQUIREMENTS)
    except (OSError, ValueError):
        return None
    python = _python_of(location())
    return python if complete and python.exists() else None


def find_python() -> Path | None:
    """Return a Python 3.9 that starts: from PATH, from pyenv, or known to uv; None where there is none."""
    return next((path for path in _candidates() if _is_python_39(path)), None)


def install(report: Callable[[str], None] | None = None) -> Path:
    """Make the environment if it is not there yet and return its Python.

    It appears at `location()` only when it is complete and Caffe2 has been loaded from it. `report` is told each step
    in a few words. Raises ValidationError: no Python 3.9, or a step of the installation failed.
    """
    tell = report or (lambda step: None)
    installed = find_environment()
    if installed is not None:
        return installed
    tell("looking for a Python 3.9")
    python = find_python()
    if python is None:
        raise ValidationError(_NO_PYTHON)
    target = location()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise ValidationError(f"{target}: cannot be made: {error.strerror}; ZOOSMITH_CACHE sets its place") from error
    try:
        tell(f"making an environment with {python}")
        # -I: what PYTHONPATH holds would count as installed
        _step([python, "-I", "-m", "venv", staging], "making the environment")
        tell("installing " + ", ".join(REQUIREMENTS))
        pip: list[str | Path] = [
            _python_of(staging),
            "-I",
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--quiet",
            "install",
        ]
        _step([*pip, *REQUIREMENTS], "installing Caffe2")
        tell("loading Caffe2")
        _step([_python_of(staging), "-I", "-c", _CHECK], "loading Caffe2")
        (staging / _MARKER).write_text(json.dumps(REQUIREMENTS))
        _move(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return _python_of(target)


def _move(staging: Path, target: Path) -> None:
    if find_environment() is not None:
        return  # another process was quicker
    try:
        if target.exists():
            # what a stopped installation left; moved aside first, so that nothing is ever deleted in its place
            target.rename(staging / "replaced")
        staging.rename(target)
        shutil.rmtree(target / "replaced", ignore_errors=True)
    except OSError as error:
        if find_environment() is None:
            raise ValidationError(f"{target}: cannot be put in place: {error.strerror}; remove it first") from error


def _python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("python3.9")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/3.9*/bin/python3.9"), reverse=True)
    uv = shutil.which("uv")
    if uv:
        found = _output([uv, "python", "find", "3.9"])
        if found:
            yield Path(found)


def _is_python_39(python: Path) -> bool:
    # a pyenv shim is on PATH for versions that are not switched on, and then fails: only running it tells
    return _output([python, "-I", "-c", "import sys; print(sys.version_info[:2])"]) == "(3, 9)"


def _output(command: list[str | Path]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _step(command: list[str | Path], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ValidationError(f"{what} failed: {command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "no message")
        raise ValidationError(f"{what} failed: {reason}")
