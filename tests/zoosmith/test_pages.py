"""Every command and snippet of the documentation runs, and prints what the page shows."""

from pathlib import Path

import pytest

from tests.zoosmith.page_blocks import blocks_of
from tests.zoosmith.pages import DOCS, ROOT, check_page, read_page
from zoosmith.building.zoo_file import read_zoo
from zoosmith.cli.application import COMMANDS
from zoosmith.convert.docs_table import table
from zoosmith.convert.registry import translators
from zoosmith.recipes.card_file import read_card, read_toml

PAGES = sorted(path.name for path in DOCS.glob("*.md"))
RUNNABLE = [
    name
    for name in PAGES
    if any(block.language in {"shell", "python"} and block.reason is None for block in blocks_of(read_page(name)))
]
FILES_OF_A_MODEL = {"net", "weights", "model", "card", "calibrate", "data", "labels", "feed"}
# these build rows of DenseNet-121, start a cluster, or quantize several times
SLOW = {"audit.md", "cluster.md", "compiler-ci.md", "fetch.md", "quantize-without-images.md", "report.md"}
KNOWN = {"shell", "python", "text", "toml", "json", "yaml"}
REASONS = {"needs a network", "needs another runtime", "needs other data", "needs another machine", "takes hours"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in RUNNABLE]
)
def test_every_block_runs_and_prints_what_the_page_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    assert check_page(read_page(name), tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("path", [*(DOCS / name for name in PAGES), ROOT / "README.md"], ids=lambda path: path.name)
def test_a_block_says_its_language_or_why_it_is_not_run(path: Path) -> None:
    for block in blocks_of(path.read_text(encoding="utf-8")):
        assert block.language in KNOWN, block.code
        assert block.reason is None or block.reason in REASONS


def test_every_example_of_a_card_and_a_zoo_is_taken(tmp_path: Path) -> None:
    count = 0
    for name in PAGES:
        for block in blocks_of(read_page(name)):
            if block.language != "toml":
                continue
            path = tmp_path / "example.toml"
            path.write_text(block.code)
            if "[[model]]" in block.code:
                for table in read_toml(path, "a zoo")["model"]:
                    for file in (value for key, value in table.items() if key in FILES_OF_A_MODEL):
                        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
                        (tmp_path / file).mkdir(exist_ok=True) if "." not in file else (tmp_path / file).touch()
                assert read_zoo(path)
            else:
                read_card(path)
            count += 1
    assert count >= 3


def test_a_marked_block_is_not_run() -> None:
    page = "<!-- not run: needs a network -->\n```shell\nfetch\n```\n1. a list\n\n    ```shell\n    here\n    ```\n"
    assert [(block.code, block.reason) for block in blocks_of(page)] == [
        ("fetch\n", "needs a network"),
        ("here\n", None),
    ]


def test_what_is_printed_otherwise_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "```python\nprint('three nodes')\n```\n\n```text\nfour nodes\n```\n"
    with pytest.raises(AssertionError):
        check_page(page, tmp_path, monkeypatch, capsys)


def test_the_readme_lists_every_command() -> None:
    commands = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Commands")[2].partition("\n## ")[0]
    listed = [line.split("`")[1] for line in commands.splitlines() if line.startswith("| `")]
    assert sorted(listed) == sorted(f"zoosmith {name}" for name in COMMANDS)


def test_the_table_of_caffe2_operators_has_every_operator() -> None:
    named = [line.split(" | ")[0].removeprefix("| ") for line in table().splitlines() if line.startswith("| ")]
    assert named[1:] == sorted(translators(), key=str.lower)
