"""What an attack is, and the list of all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

REFUSED = frozenset({2})
"""Exit codes where every command that reads the file has to refuse it."""

ANY = frozenset({0, 1, 2})
"""Exit codes where a command may find nothing wrong in what it needs of the file."""

Builder = Callable[[Path], Path]
"""Writes files into a folder, and returns the path that a command is given."""


@dataclass(frozen=True)
class Attack:
    """A damaged or hostile file.

    Attributes:
        name: what is wrong with it.
        kind: which commands read it, see `commands.COMMANDS`.
        build: makes it.
        codes: the exit codes that are right.
    """

    name: str
    kind: str
    build: Builder
    codes: frozenset[int]

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


ATTACKS: list[Attack] = []


Content = bytes | Callable[[], bytes]
"""Of a file; a function where making it takes long."""


def made(content: Content) -> bytes:
    """The content itself."""
    return content if isinstance(content, bytes) else content()


def add_files(kind: str, files: Mapping[str, Content], suffix: str, codes: frozenset[int] = REFUSED) -> None:
    """Add attacks that are one file each, by the name of what is wrong with it."""

    def builder(name: str, content: Content) -> Builder:
        def build(folder: Path) -> Path:
            path = folder / f"{name}{suffix}"
            path.write_bytes(made(content))
            return path

        return build

    ATTACKS.extend(Attack(name, kind, builder(name, content), codes) for name, content in files.items())
