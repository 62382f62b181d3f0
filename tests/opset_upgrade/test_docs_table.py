"""The table of operators and version steps in the docs."""

from pathlib import Path

from zoosmith.opset_upgrade.docs_table import table


def test_the_table_in_the_docs_is_what_the_registry_says() -> None:
    written = Path(__file__).parents[2] / "docs" / "opset_table.md"
    assert written.read_text(encoding="utf-8") == table(), (
        "run: python -m zoosmith.opset_upgrade.docs_table > docs/opset_table.md"
    )


def test_an_operator_can_be_looked_up_with_each_of_its_steps() -> None:
    row = next(line for line in table().splitlines() if line.startswith("| Softmax |"))
    assert [cell.strip() for cell in row.split("|")[2:6]] == ["11→13", "1→11", "", "11→1 13→11"]
