"""Pages of the documentation: their code runs, and what a block prints stands after it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.zoosmith.page_blocks import Block, blocks_of
from zoosmith.cli.application import run

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# What another installation prints otherwise.
_VARIES = [
    (re.compile(r" \((original in |ONNX Runtime )[^)]*\)"), ""),
    (re.compile(r"largest error \S+|error \d\.\d+"), "largest error"),
    (re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b"), "HASH"),
    (re.compile(r"\b\d\.\d+e[-+]\d+"), "ERROR"),
    (re.compile(r"\b\d+(,\d{3})+\b"), "BYTES"),
    (re.compile(r"─+"), ""),
    (re.compile(r"\s+"), " "),
]


def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def check_page(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> int:
    """Run the Python and the commands of a page in their order, and compare what they print with what the page shows.

    Args:
        page: its text. A command after "! " is expected to fail. A block after a comment `<!-- not run: why -->` is
            left out.
        folder: where it runs.
        monkeypatch: of the test.
        capsys: of the test.

    Returns:
        How many blocks ran.
    """
    monkeypatch.chdir(folder)
    blocks = [block for block in blocks_of(page) if block.reason is None]
    followers = [*blocks[1:], Block("", "")]
    count = 0
    for block, follower in zip(blocks, followers, strict=True):
        if block.language == "python":
            # alone, as who copies one block runs it
            exec(compile(block.code, "page", "exec"), {"__name__": "page"})
        elif block.language == "shell":
            _run_commands(block.code)
        else:
            continue
        count += 1
        out, err = capsys.readouterr()
        if follower.language == "text":
            found = [*out.splitlines(), *(line for line in err.splitlines() if line.startswith("error"))]
            printed, shown = _plain(found), _plain(follower.code.splitlines())
            assert printed == shown, f"{printed}\nis printed, and shown is\n{shown}"
    return count


def _run_commands(code: str) -> None:
    for line in code.splitlines():
        program, *arguments = shlex.split(line.removeprefix("! "))
        assert program != "cd", f"{line}: what follows on the page would run in another folder; expected (cd ...)"
        if program in {"zoosmith", ".venv/bin/zoosmith"}:
            assert run(arguments) == (2 if line.startswith("! ") else 0), line
        else:
            subprocess.run(["bash", "-euc", line], check=True, env=os.environ | {"PATH": _PATH})


def _plain(lines: list[str]) -> list[str]:
    """The lines without what another installation prints otherwise, and without empty ones."""
    for pattern, replacement in _VARIES:
        lines = [pattern.sub(replacement, line) for line in lines]
    return [line.strip() for line in lines if line.strip()]
