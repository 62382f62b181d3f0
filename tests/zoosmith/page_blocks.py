"""The fenced blocks of a Markdown page: which are run, and which say why they are not. Needs nothing but Python."""

import re
from typing import NamedTuple

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$|^ *<!-- not run: (?P<reason>[^\n]+) -->$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        language: `shell`, `python`, `text` (what the block before it prints) or another.
        code: what is in it.
        reason: what the comment `<!-- not run: ... -->` before it says; None where it is run.
    """

    language: str
    code: str
    reason: str | None = None


def blocks_of(page: str) -> list[Block]:
    """Give the blocks of a page in their order.

    Args:
        page: its text.

    Returns:
        The blocks; one inside a list has lost the indent of the list.
    """
    blocks, reason = [], None
    for match in _FENCE.finditer(page):
        if match["reason"]:
            reason = match["reason"]
            continue
        code = "".join(line.removeprefix(match["indent"]) for line in match["code"].splitlines(keepends=True))
        blocks.append(Block(match["language"], code, reason))
        reason = None
    return blocks
