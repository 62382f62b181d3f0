"""Where adapters and decompositions are registered, one per operator and version step."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto

    from zoosmith.opset_upgrade.writer import Writer

Adapter = Callable[["NodeProto", "Writer"], None]
"""Takes a node through one version step: edits it in place, or emits what stands for it (see `Writer`)."""

_ADAPTERS: dict[tuple[str, int, int], Adapter] = {}
_OF_ANY_TYPE: set[tuple[str, int, int]] = set()
_DECOMPOSITIONS: dict[str, Adapter] = {}
_CASTABLE: dict[str, Adapter] = {}


def adapter(operators: str, source: int, target: int, *, any_type: bool = False) -> Callable[[Adapter], Adapter]:
    """Register a function for the step of `operators` (names, blank between) from version `source` to `target`.

    Both are versions of the operator's schema (`since_version`), neighbours in its history; `source > target` is a
    downgrade. The function gets a node that is valid at `source` and leaves what is valid at `target`: going up, at the
    opset `target`; going down, at every opset from `target` to `source - 1`. Going down it is called for nodes whose
    types the version below takes; with `any_type`, for all: it sees to the types itself.
    """

    def register(function: Adapter) -> Adapter:
        for operator in operators.split():
            _add(_ADAPTERS, (operator, source, target), function)
            if any_type:
                _OF_ANY_TYPE.add((operator, source, target))
        return function

    return register


def decomposition(operators: str) -> Callable[[Adapter], Adapter]:
    """Register how `operators` are expressed just below the opset that brought them, in operators that were there.

    The function emits nodes that are valid at `writer.opset`, the opset before the operator's first version; what it
    emits is itself taken further down, so it need not think of older opsets.
    """

    def register(function: Adapter) -> Adapter:
        for operator in operators.split():
            _add(_DECOMPOSITIONS, operator, function)
        return function

    return register


def type_fallback(operators: str) -> Callable[[Adapter], Adapter]:
    """Register how `operators` are expressed when the version below does not take the node's types.

    The function is called in place of a derived downgrade step whose type check failed, with a node valid above the
    step; it emits nodes that are valid at `writer.opset`, or refuses.
    """

    def register(function: Adapter) -> Adapter:
        for operator in operators.split():
            _add(_CASTABLE, operator, function)
        return function

    return register


def find_adapter(operator: str, source: int, target: int) -> Adapter | None:
    """The registered adapter of one version step, None if there is none."""
    _load()
    return _ADAPTERS.get((operator, source, target))


def sees_to_types(operator: str, source: int, target: int) -> bool:
    """Whether the adapter of a step wants nodes of types that the target version does not take, too."""
    return (operator, source, target) in _OF_ANY_TYPE


def find_decomposition(operator: str) -> Adapter | None:
    """The registered decomposition of an operator, None if there is none."""
    _load()
    return _DECOMPOSITIONS.get(operator)


def find_type_fallback(operator: str) -> Adapter | None:
    """The registered way around types that an older version of the operator does not take, None if there is none."""
    _load()
    return _CASTABLE.get(operator)


def registered_adapters() -> list[tuple[str, int, int]]:
    """Operator, source and target version of every adapter, sorted."""
    _load()
    return sorted(_ADAPTERS)


def registered_decompositions() -> list[str]:
    """Every operator with a decomposition, sorted."""
    _load()
    return sorted(_DECOMPOSITIONS)


def registered_type_fallbacks() -> list[str]:
    """Every operator with a way around types that an older version does not take, sorted."""
    _load()
    return sorted(_CASTABLE)


def _add(table: dict, key: object, function: Adapter) -> None:
    if key in table:
        raise ValueError(f"{key} is registered twice: {table[key].__name__} and {function.__name__}")
    table[key] = function


@cache
def _load() -> None:
    for folder in ("adapters", "decompositions"):
        package = import_module(f"zoosmith.opset_upgrade.{folder}")
        for module in iter_modules(package.__path__):
            import_module(f"zoosmith.opset_upgrade.{folder}.{module.name}")
