"""The page model: what stands on a page, without a word of HTML."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

State = Literal["", "good", "bad", "warning"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it shows.
        order: what its column is sorted by; None for the text.
        state: a verdict, shown as colour beside the text.
        details: name and value of what it opens to; empty where it does not open.
        code: whether it is shown in a type of even width, and may be broken anywhere.
    """

    text: str
    order: float | None = None
    state: State = ""
    details: tuple[tuple[str, str], ...] = ()
    code: bool = False


@dataclass(frozen=True)
class Table:
    """A table, which a reader may sort and filter.

    Attributes:
        caption: what it shows.
        columns: headings; the first column names the row.
        rows: as many cells each as there are columns.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    kind: str = field(default="table", init=False)

    @property
    def opens(self) -> bool:
        """Whether a cell has details."""
        return any(cell.details for row in self.rows for cell in row)

    @property
    def numeric(self) -> list[bool]:
        """Of each column, whether it holds numbers, which stand at its right."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        return [_is_numeric(column) for column in columns]


def _is_numeric(column: Sequence[Cell]) -> bool:
    plain = not any(cell.state or cell.details or cell.code for cell in column)
    return plain and any(cell.order is not None for cell in column)


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        title: what it shows.
        text: the same in words, for those who do not see it.
        draw: draws it into an empty figure.
        height: of the figure in inches; it is 4.1 inches wide.
    """

    title: str
    text: str
    draw: "Callable[[Figure], None]"
    height: float
    kind: str = field(default="plot", init=False)


@dataclass(frozen=True)
class Picture:
    """A picture with what each model says of it.

    Attributes:
        name: of the file.
        label: what it shows, as its label says.
        jpeg: a small JPEG file in base64.
        answers: by model its best answers with their scores, the best first; whether each is the label.
    """

    name: str
    label: str
    jpeg: str
    answers: dict[str, list[tuple[str, str, bool]]]


@dataclass(frozen=True)
class Pictures:
    """Pictures beside each other."""

    title: str
    pictures: Sequence[Picture]
    kind: str = field(default="pictures", init=False)


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    title: str
    facts: Sequence[tuple[str, str]]
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Note:
    """A sentence."""

    text: str
    state: State = ""
    kind: str = field(default="note", init=False)


Part = Table | Plot | Pictures | Facts | Note


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        title: its heading.
        parts: what stands in it.
        link: what the navigation calls it; None for its title, empty where it is left out there.
    """

    title: str
    parts: Sequence[Part]
    link: str | None = None

    @property
    def plots(self) -> list[Plot]:
        """Its plots."""
        return [part for part in self.parts if isinstance(part, Plot)]

    @property
    def others(self) -> list[Part]:
        """All but its plots."""
        return [part for part in self.parts if not isinstance(part, Plot)]


@dataclass(frozen=True)
class KeyFigure:
    """One of the few figures at the head of a page.

    Attributes:
        value: in as few words as it takes.
        name: what it is of.
        state: a verdict, shown as colour.
    """

    value: str
    name: str
    state: State = ""


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: of the page.
        passed: the verdict; None where there is none.
        summary: sentences below the title.
        figures: the few that say most.
        sections: in their order.
        origin: what it was drawn from.
    """

    title: str
    passed: bool | None
    summary: Sequence[str]
    figures: Sequence[KeyFigure]
    sections: Sequence[Section]
    origin: Sequence[str]
