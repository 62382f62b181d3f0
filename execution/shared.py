"""Values that every process of an executor's workers makes once, and functions that are submitted use many times."""

import hashlib
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

Made = TypeVar("Made")
Made_co = TypeVar("Made_co", covariant=True)

_NOT_MADE: Any = object()

_lock = threading.RLock()
# by key, in this process: how to make a value that was sent here, and the values that are made
_recipes: dict[str, bytes] = {}
_made: dict[str, Any] = {}


class Shared(Protocol[Made_co]):
    """An argument for functions that are submitted: it goes to the worker by name, its value does not."""

    @property
    def value(self) -> Made_co:
        """The value of this process, made at the first use."""
        ...


class SharedHere(Generic[Made]):
    """A value for threads of this process.

    Args:
        make: makes it.
        arguments: of `make`.
    """

    def __init__(self, make: Callable[..., Made], *arguments: Any) -> None:
        self._make = make
        self._arguments = arguments
        self._lock = threading.Lock()
        self._value: Made = _NOT_MADE

    @property
    def value(self) -> Made:
        """The value."""
        with self._lock:
            if self._value is _NOT_MADE:
                self._value = self._make(*self._arguments)
            return self._value


@dataclass(frozen=True)
class SharedElsewhere(Generic[Made]):
    """A value for other processes, which have or find the recipe of it.

    Attributes:
        key: hash of the recipe.
        file: that holds the recipe; None where `keep_recipe` was called in the worker.
    """

    key: str
    file: Path | None = None

    @property
    def value(self) -> Made:
        """The value."""
        with _lock:
            if self.key not in _made:
                recipe = _recipes.pop(self.key, None) if self.file is None else self.file.read_bytes()
                if recipe is None:
                    raise LookupError(f"nothing was sent to this process as {self.key}")
                make, arguments = pickle.loads(recipe)
                _made[self.key] = make(*arguments)
            return _made[self.key]


def recipe_of(make: Callable[..., Any], *arguments: Any) -> tuple[str, bytes]:
    """Pickle how a value is made; return the hash of that, and that."""
    recipe = pickle.dumps((make, arguments), protocol=pickle.HIGHEST_PROTOCOL)
    return hashlib.sha256(recipe).hexdigest(), recipe


def keep_recipe(key: str, recipe: bytes) -> None:
    """Let values be made in this process."""
    with _lock:
        if key not in _made:
            _recipes[key] = recipe


def forget(key: str) -> None:
    """Let go of a value and its recipe."""
    with _lock:
        _recipes.pop(key, None)
        _made.pop(key, None)
