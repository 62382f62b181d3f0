"""`docs/caffe2-nets.md` shows what its commands print, and every layer that is translated."""

import re
from pathlib import Path

import pytest

from tests.zoosmith.pages import check_page, read_page
from zoosmith.convert.caffe.layer import LAYERS

PAGE = read_page("caffe2-nets.md")


def _plain(line: str) -> str:
    """The line without what another installation prints otherwise: versions of runtimes, rounding errors."""
    return re.sub(r"largest error \S+", "largest error", re.sub(r" \(original in .*\)$", "", line.rstrip()))


def test_every_command_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_page(PAGE, tmp_path, monkeypatch, capsys, _plain) == 4


def test_the_page_names_the_layers() -> None:
    listed = PAGE.partition("Layers: ")[2].partition("\n\n")[0]
    named = set(re.findall(r"\b[A-Z]\w+\b", listed)) - {"TEST", "Layers"}
    assert named <= LAYERS.entries().keys()
    reads_nothing = {kind for kind in LAYERS.entries() if kind.endswith(("Data", "Loss", "Output"))}
    assert LAYERS.entries().keys() - named <= reads_nothing | {"Silence"}
