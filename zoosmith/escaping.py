"""One escaper for each medium that a text from a file may reach: terminal and plots, HTML, Markdown."""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from markupsafe import Markup

# what starts markup inside a line of Markdown, in a cell of a table, or HTML; not a _ inside a word
_MARKDOWN = re.compile(r"([\\`*\[\]<>|&~$#]|(?<![^\W_])_|_(?![^\W_]))")
# a word that would begin a list or underline a heading, where it came to stand first in its line
_FIRST_WORD = re.compile(r"(?<!\S)(\d*)([-+=]+(?!\S)|(?<=\d)[.)](?!\S))")


def printable(text: str) -> str:
    """A text with everything escaped that is not seen as it is: control characters, line ends, changes of direction.

    Names come from files that others made. Without this they could set the terminal's title, clear it, or print lines
    of their own. Whatever is printed or drawn goes through here.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def html(value: Any) -> "Markup":
    """A value as HTML text, which may stand between tags and inside quoted attributes."""
    from markupsafe import Markup, escape

    return value if isinstance(value, Markup) else escape(printable(str(value)))


def markdown(text: str) -> str:
    """A text as Markdown that is read as it is, in a cell of a table, and first in a line of wrapped text, too."""
    return _FIRST_WORD.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", printable(text)))


def markdown_code(text: str) -> str:
    """A text as code in a line of Markdown, outside of tables: file names, commands."""
    shown = printable(text)
    ticks = _more_ticks(shown, 1)
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def markdown_block(lines: str, language: str = "") -> str:
    """Lines of code as a block of Markdown, which no line of theirs ends.

    Line ends stay, since a command may hold one in a quoted word; other characters that are not seen are escaped.
    """
    shown = "\n".join(printable(line) for line in lines.split("\n"))
    ticks = _more_ticks(shown, 3)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def markdown_path(path: str) -> str:
    """A relative path as the target of a link in Markdown."""
    return quote(path, safe="/", errors="surrogateescape")


def _more_ticks(text: str, least: int) -> str:
    """Backticks, one more than any run in the text has."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)
