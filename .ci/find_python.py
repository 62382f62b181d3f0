"""Print the oldest or the newest Python of this machine that can run the project.

Looked for where runtimes look for theirs: on PATH, in pyenv and by uv, and then the Python that runs this. What
pyproject.toml names as the oldest but is not found, and one Python that stands for both, are told in a line that begins
with NOTE on standard error.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# by its place: nothing needs to be installed to find a Python
sys.path.insert(0, str(ROOT / "validation" / "runtimes"))

from pythons import find_python  # noqa: E402  # type: ignore[import-not-found]

_NEWEST = 30


def version_of(python: Path) -> tuple[int, ...] | None:
    """The version of a Python that can make virtual environments; None where it cannot, or is no final release."""
    code = "import sys, venv, ensurepip; v = sys.version_info; print(v[0], v[1], v[2]) if v[3] == 'final' else exit(1)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else None


def main(which: str) -> None:
    """Choose, tell, print the path."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    required = re.search(r'requires-python = ">=3\.(\d+)"', text)
    assert required
    oldest = int(required.group(1))
    found = [find_python([f"3.{minor}"]) for minor in range(oldest, _NEWEST)]
    paths = [Path(sys.executable), *(path for path in found if path)]
    pythons = {version: path for path in paths if (version := version_of(path)) and version >= (3, oldest)}
    if not pythons:
        sys.exit(f"no Python 3.{oldest} or newer is found")
    version = min(pythons) if which == "oldest" else max(pythons)
    name = ".".join(map(str, version))
    if which == "oldest" and version[1] != oldest:
        print(f"NOTE: NO PYTHON 3.{oldest} IS FOUND: the oldest that can be tested is {name}", file=sys.stderr)
    if min(pythons)[:2] == max(pythons)[:2]:
        print(f"NOTE: ONE PYTHON ({name}) STANDS FOR THE OLDEST AND THE NEWEST", file=sys.stderr)
    print(f"NOTE: {which} Python: {name}", file=sys.stderr)
    print(pythons[version])


if __name__ == "__main__":
    main(sys.argv[1])
