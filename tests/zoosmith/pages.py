"""Pages of the documentation: their code runs, and what their commands print stands after them."""

import itertools
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from zoosmith.cli.application import run

DOCS = Path(__file__).parents[2] / "docs"


def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def check_page(
    page: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    plain: Callable[[str], str],
) -> int:
    """Run the Python of a page, then its commands, and compare what they print with what the page shows after them.

    Args:
        page: its text. A command after "! " is expected to fail.
        folder: where it runs.
        monkeypatch: of the test.
        capsys: of the test.
        plain: leaves out of a line what another installation prints otherwise.

    Returns:
        How many blocks of commands there are.
    """
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(folder)
    exec(next(code for language, code in blocks if language == "python"), {})
    shown = [(code, printed) for (kind, code), (_, printed) in itertools.pairwise(blocks) if kind == "shell"]
    for code, printed in shown:
        for line in code.splitlines():
            program, *arguments = shlex.split(line.removeprefix("! "))
            assert program == ".venv/bin/zoosmith"
            assert run(arguments) == (2 if line.startswith("! ") else 0)
        out, err = capsys.readouterr()
        found = [*out.splitlines(), *(line for line in err.splitlines() if line.startswith("error"))]
        assert [plain(line) for line in found] == [plain(line) for line in printed.splitlines()]
    return len(shown)
