"""`docs/older-runtimes.md` has the table of targets as it is."""

from tests.zoosmith.pages import read_page
from zoosmith.validation.runtimes import targets

PAGE = read_page("older-runtimes.md")


def test_the_table_has_every_target() -> None:
    rows = [f"| {row} | {row.opset} | {row.ml or '-'} | {row.ir or '-'} |" for row in targets()]
    assert [line for line in PAGE.splitlines() if "==" in line and line.startswith("| ")] == rows
