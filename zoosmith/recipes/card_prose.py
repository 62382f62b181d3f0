"""What the texts of a card may hold: Markdown that stays within its section and runs nothing."""

import re

from zoosmith.escaping import printable
from zoosmith.onnx_model.errors import ZoosmithError

# targets that some readers of Markdown follow, and none should
_UNSAFE_LINK = re.compile(r"\]\s*[(:]\s*<?\s*((?:javascript|vbscript|data|file):)", re.IGNORECASE)
# the card's own headings are of these levels
_HEADINGS_OF_THE_CARD = 3


def check_prose(text: str, key: str, origin: str) -> None:
    """Hold a text of a card to what may stand in one: a model card is read in browsers, on other people's sites.

    Args:
        text: in Markdown.
        key: of the card that states it.
        origin: what the message calls the file.

    Raises:
        ZoosmithError: the text has raw HTML, a heading of levels 1 to 3, a block that does not end, a link to a script,
            or characters that are not seen.
    """
    found = _what_is_wrong(text)
    if found:
        raise ZoosmithError(f"{origin}: {key}: {found}")


def _what_is_wrong(text: str) -> str:
    unseen = next((each for each in text if not each.isprintable() and each not in "\n\t"), None)
    if unseen is not None:
        return f"expected characters that are seen, found {printable(unseen)}"
    link = _UNSAFE_LINK.search(text)
    if link is not None:
        return f"expected links to https, http or mailto, found {link[1]}"

    from markdown_it import MarkdownIt

    # whether the heading of the next section is one depends on what is open before it
    tokens = MarkdownIt("commonmark").parse(f"{text}\n\n# Next\n")
    for token in tokens:
        html = next((part for part in (token, *(token.children or ())) if part.type.startswith("html_")), None)
        if html is not None:
            tag = html.content.strip().splitlines()[0][:30]
            return f"expected Markdown without HTML, found {tag} (between backticks it is code)"
        if token.type == "heading_open" and token is not tokens[-3] and int(token.tag[1:]) <= _HEADINGS_OF_THE_CARD:
            return "expected headings of level 4 or lower (####), since the card's own are above"
    if len(tokens) < 3 or tokens[-3].type != "heading_open" or tokens[-3].level:
        return "expected every block of code to end, found one that is open at the end of the text"
    return ""
