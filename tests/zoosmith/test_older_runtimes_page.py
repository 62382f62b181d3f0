"""`docs/older-runtimes.md` shows what its commands print, and the table of targets as it is."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoosmith.cli.application import run
from zoosmith.validation.runtimes import targets

PAGE = (Path(__file__).parents[2] / "docs" / "older-runtimes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def _plain(line: str) -> str:
    """The line without what another installation prints otherwise: the version of the runtime."""
    return re.sub(r" \(ONNX Runtime [^)]*\)", "", line.rstrip())


def commands() -> Iterator[tuple[list[str], str]]:
    """The commands of each block, and the text that follows it."""
    for (language, code), (_, printed) in itertools.pairwise(BLOCKS):
        if language == "shell":
            yield code.splitlines(), printed


def test_every_command_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path / "cache"))
    exec(next(code for language, code in BLOCKS if language == "python"), {})
    shown = list(commands())
    assert len(shown) == 5
    for lines, printed in shown:
        for line in lines:
            program, *arguments = shlex.split(line.removeprefix("! "))
            assert program == ".venv/bin/zoosmith"
            assert run(arguments) == (2 if line.startswith("! ") else 0)
        out, err = capsys.readouterr()
        found = [*out.splitlines(), *(line for line in err.splitlines() if line.startswith("error"))]
        assert [_plain(line) for line in found] == [_plain(line) for line in printed.splitlines()]


def test_the_table_has_every_target() -> None:
    rows = [f"| {row} | {row.opset} | {row.ml or '-'} | {row.ir or '-'} |" for row in targets()]
    assert [line for line in PAGE.splitlines() if "==" in line and line.startswith("| ")] == rows
