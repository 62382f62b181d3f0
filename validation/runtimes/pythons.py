"""Find a Python of a given version: on PATH, in pyenv, or known to uv."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path


def find_python(versions: Iterable[str]) -> Path | None:
    """Return a Python of the first of these versions (`3.9`) that has one that starts; None where there is none."""
    for version in versions:
        for path in _candidates(version):
            if _is_version(path, version):
                return path
    return None


def _candidates(version: str) -> Iterator[Path]:
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), key=_patch, reverse=True)
    uv = shutil.which("uv")
    if uv:
        found = _output([uv, "python", "find", version])
        if found:
            yield Path(found)


def _patch(python: Path) -> int:
    patch = python.parts[-3].split(".")[2]
    return int(patch) if patch.isdecimal() else -1


def _is_version(python: Path, version: str) -> bool:
    # a pyenv shim is on PATH for versions that are not switched on, and then fails: so it has to be run
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    return _output([python, "-I", "-c", program]) == version


def _output(command: list[str | Path]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
