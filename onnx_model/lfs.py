"""Git LFS pointers: the few lines that stand in place of a file where Git LFS has not brought the file itself.

Format: git-lfs, docs/spec.md: lines of a key and a value, `version` first, then `oid sha256:<hash>` and `size`.
"""

import re
from dataclasses import dataclass

LARGEST_POINTER = 1023
"""In bytes; the specification says less than 1024."""

_POINTER = re.compile(
    rb"version https?://[^\n]*(?:git-lfs|hawser)[^\n]*\n"
    rb"(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\n"
    rb"(?:[^\n]*\n)*?size (\d{1,18})\n?"
)


@dataclass(frozen=True)
class Pointer:
    """What a pointer says of the file that it stands for: SHA-256 in hexadecimal and size in bytes."""

    sha256: str
    size: int


def parse_pointer(content: bytes) -> Pointer | None:
    """Read a pointer.

    Args:
        content: the first bytes of a file, at least `LARGEST_POINTER` + 1 of them where it is longer.

    Returns:
        What it points to; None where the file is no pointer.
    """
    found = _POINTER.match(content) if len(content) <= LARGEST_POINTER else None
    return None if found is None else Pointer(found[1].decode(), int(found[2]))
