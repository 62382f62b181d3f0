"""Tables whose cells are text as it is."""

import rich.table
from rich.console import RenderableType
from rich.style import StyleType
from rich.text import Text

from zoosmith.escaping import printable


class Table(rich.table.Table):
    """A table of plain text: nothing in a cell is taken for markup or reaches the terminal as a control character."""

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """Add a row of texts."""
        plain = (None if cell is None else Text(printable(str(cell))) for cell in cells)
        super().add_row(*plain, style=style, end_section=end_section)
