"""Functions registered by operator, in modules of one package: one function in one place adds an operator."""

from collections.abc import Hashable, Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")


class Registry(Generic[Key, Entry]):
    """What is registered under which key; the modules that register are imported at the first look-up.

    Args:
        package: dotted name of the package whose modules register, all of them, found by scanning it.
        what: what an entry is called in an error message, `translator` for instance.
    """

    def __init__(self, package: str, what: str) -> None:
        self._package = package
        self._what = what
        self._entries: dict[Key, Entry] = {}
        self._loaded = False

    def add(self, key: Key, entry: Entry) -> None:
        """Register an entry.

        Args:
            key: what it is found by, the name of an operator for instance.
            entry: what is registered.

        Raises:
            RuntimeError: the key has an entry: two modules would serve one operator.
        """
        if key in self._entries:
            raise RuntimeError(f"two {self._what}s are registered for {key!r} in {self._package}")
        self._entries[key] = entry

    def find(self, key: Key) -> Entry | None:
        """The entry of a key; None where there is none.

        Args:
            key: what it was registered under.
        """
        return self.entries().get(key)

    def __contains__(self, key: Key) -> bool:
        return key in self.entries()

    def __iter__(self) -> Iterator[Key]:
        return iter(self.entries())

    def entries(self) -> dict[Key, Entry]:
        """Everything that is registered, by key, in the order of the module names."""
        if not self._loaded:
            package = import_module(self._package)
            names = sorted(module.name for module in walk_packages(package.__path__, f"{self._package}."))
            for name in names:
                import_module(name)
            self._loaded = True
        return self._entries
