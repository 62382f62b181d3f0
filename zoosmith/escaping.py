"""One escaper for each medium that a text from a file may reach: terminal and plots, HTML, Markdown."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

# what starts markup inside a line of Markdown, in a cell of a table, or HTML; not a _ inside a word
_MARKDOWN = re.compile(r"([\\`*\[\]<>|&~$]|(?<![^\W_])_|_(?![^\W_]))")


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
    """A text as Markdown of one line, which is read as it is, in a cell of a table, too."""
    return _MARKDOWN.sub(r"\\\1", printable(text))
