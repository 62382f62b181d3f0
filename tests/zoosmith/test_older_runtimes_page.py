"""`docs/older-runtimes.md` shows what its commands print, and the table of targets as it is."""

import re
from pathlib import Path

import pytest

from tests.zoosmith.pages import check_page, read_page
from zoosmith.validation.runtimes import targets

PAGE = read_page("older-runtimes.md")


def _plain(line: str) -> str:
    """The line without what another installation prints otherwise: the version of the runtime."""
    return re.sub(r" \(ONNX Runtime [^)]*\)", "", line.rstrip())


def test_every_command_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path / "cache"))
    assert check_page(PAGE, tmp_path, monkeypatch, capsys, _plain) == 5


def test_the_table_has_every_target() -> None:
    rows = [f"| {row} | {row.opset} | {row.ml or '-'} | {row.ir or '-'} |" for row in targets()]
    assert [line for line in PAGE.splitlines() if "==" in line and line.startswith("| ")] == rows
