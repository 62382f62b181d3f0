"""Print the oldest or the newest Python of this machine that can run the project.

Looks on PATH, at pyenv's versions and at uv's. What pyproject.toml names as the oldest but is not found, and the
one Python that stands for both, are told in a line that begins with NOTE on standard error.
"""

import glob
import re
import subprocess
import sys
from pathlib import Path

PATTERNS = [
    "/usr/bin/python3.*",
    "/usr/local/bin/python3.*",
    "~/.pyenv/versions/*/bin/python3.*",
    "~/.local/share/uv/python/*/bin/python3.*",
    "/opt/*/bin/python3.*",
]


def version_of(python: str) -> tuple[int, ...] | None:
    """The version of a Python that can make virtual environments; None where it cannot, or is no final release."""
    code = "import sys, venv, ensurepip; v = sys.version_info; print(v[0], v[1], v[2]) if v[3] == 'final' else exit(1)"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return None
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else None


def found() -> dict[tuple[int, ...], str]:
    """Version -> path of every Python 3 found."""
    paths = [sys.executable, *(p for pattern in PATTERNS for p in glob.glob(str(Path(pattern).expanduser())))]
    named = [p for p in paths if p == sys.executable or re.fullmatch(r"python3\.\d+", Path(p).name)]
    return {version: path for path in named if (version := version_of(path))}


def main(which: str) -> None:
    """Choose, tell, print the path."""
    required = re.search(r'requires-python = ">=(\d+)\.(\d+)"', Path("pyproject.toml").read_text(encoding="utf-8"))
    assert required
    oldest = tuple(map(int, required.groups()))
    pythons = {version: path for version, path in found().items() if version[:2] >= oldest}
    if not pythons:
        sys.exit(f"no Python {oldest[0]}.{oldest[1]} or newer is found")
    version = min(pythons, key=lambda v: v[:2]) if which == "oldest" else max(pythons)
    name = ".".join(map(str, version))
    if which == "oldest" and version[:2] != oldest:
        print(
            f"NOTE: NO PYTHON {oldest[0]}.{oldest[1]} IS FOUND: the oldest that can be tested is {name}",
            file=sys.stderr,
        )
    if min(pythons)[:2] == max(pythons)[:2]:
        print(f"NOTE: ONE PYTHON ({name}) STANDS FOR THE OLDEST AND THE NEWEST", file=sys.stderr)
    print(f"NOTE: {which} Python: {name}", file=sys.stderr)
    print(pythons[version])


if __name__ == "__main__":
    main(sys.argv[1])
