"""Sizes for the dimensions that a model leaves open: which to try, in which order."""

import ast
import itertools
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from zoosmith.onnx_model.ports import Port

Sizes = Mapping[str, int]
"""Sizes by what `open_sizes` calls the dimensions: their name, or `input[axis]` where they have none."""

_BATCH, _LENGTH, _HEIGHT, _WIDTH = "batch", "length", "height", "width"

# sizes of a batch, a length, a height and a width that are tried together. No two of one try are equal, since equal
# ones would hide that two axes were exchanged; the first are small, as most models take any size
_TRIED = (
    (2, 6, 32, 64),
    (3, 10, 64, 32),
    (2, 16, 64, 96),
    (3, 64, 96, 64),
    (2, 128, 48, 320),
    (3, 512, 224, 256),
    (2, 576, 128, 160),
    (3, 1024, 320, 352),
    (2, 4096, 8, 12),
    (3, 16000, 640, 672),
    (2, 3, 17, 18),
)
# sizes that depend on each other in ways that nothing tells: all alike
_ALIKE = (2, 4, 8, 16, 32, 64, 128, 224)
# what nets are used on: one item, a sequence, a picture as classifiers, readers of text and detectors take it
_USUAL = ((1, 128, 224, 224), (1, 64, 48, 320), (1, 32, 320, 320), (1, 16, 640, 640))
# with more open sizes than this, roles are not exchanged one by one
_MOST_EXCHANGED = 4
_CHANNELS = (1, 3, 4)
# of sizes that change as much as can be, before those are tried that change one
_TRIED_BEFORE = 10
# a second case may have this much more to do than the first
_MOST_WORK = 16
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv}


@dataclass(frozen=True)
class OpenSize:
    """A dimension whose size a model leaves open.

    Attributes:
        name: of the dimension, or `input[axis]` where it has none.
        role: what it probably is, from where it first stands.
    """

    name: str
    role: str


def open_sizes(ports: Sequence[Port]) -> list[OpenSize]:
    """The open dimensions of inputs, each once, in order of first appearance; those without a name one by one."""
    found: dict[str, OpenSize] = {}
    for port in ports:
        for axis, size in enumerate(port.shape or ()):
            if not isinstance(size, int):
                name = size_name(port, axis)
                found.setdefault(name, OpenSize(name, _role(port, axis)))
    return list(found.values())


def size_name(port: Port, axis: int) -> str:
    """What an open dimension is called: by its own name, or `input[axis]`."""
    size = (port.shape or ())[axis]
    return size if isinstance(size, str) else f"{port.name}[{axis}]"


def concrete_shapes(ports: Sequence[Port], sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """The shape of every input that has a rank, with these sizes; an open size that is not given is 1."""
    return {
        port.name: tuple(
            size if isinstance(size, int) else sizes.get(size_name(port, axis), 1)
            for axis, size in enumerate(port.shape)
        )
        for port in ports
        if port.shape is not None
    }


def words_of(sizes: Sizes) -> str:
    """`batch=2, seq=6`."""
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


def other_sizes(open_dimensions: Sequence[OpenSize], given: Sizes, last: Sizes) -> list[dict[str, int]]:
    """Sizes other than the last that ran, never all ones.

    Those come first that change most; of these, where the same sizes are equal to each other as in the last; then those
    that cost least.

    Args:
        open_dimensions: of a model.
        given: sizes that are not to be changed.
        last: sizes that ran.
    """
    most = _MOST_WORK * _work(last)
    others = [
        sizes
        for sizes in size_candidates(open_dimensions, given)
        if sizes != last and _work(sizes) <= most and any(size > 1 for size in sizes.values())
    ]
    others.sort(
        key=lambda sizes: (
            sum(sizes[name] == last[name] for name in sizes),
            1 in sizes.values(),
            _equal_ones(sizes) != _equal_ones(last),
            _work(sizes),
        )
    )
    # some may be fixed in truth: then one size, with all that equal it, is changed
    single = [
        {name: size + 1 if size == changed and name not in given else size for name, size in last.items()}
        for changed in dict.fromkeys(last.values())
    ]
    return [*others[:_TRIED_BEFORE], *(sizes for sizes in single if sizes != last), *others[_TRIED_BEFORE:]]


def _equal_ones(sizes: Sizes) -> list[int]:
    """For each size, the place of the first that it equals."""
    values = list(sizes.values())
    return [values.index(value) for value in values]


def size_candidates(open_dimensions: Sequence[OpenSize], given: Sizes) -> Iterator[dict[str, int]]:
    """Yield sizes to try for every open dimension, the likeliest first, never the same twice; all ones come last.

    Args:
        open_dimensions: of a model.
        given: sizes that are not to be changed.
    """
    free = _without_derived(open_dimensions, given)
    seen = set()
    for guess in [
        *(sizes for sizes in _guesses(free) if _work(sizes) > 1),
        dict.fromkeys((size.name for size in free), 1),
    ]:
        whole = _with_derived(open_dimensions, {**guess, **given})
        key = tuple(whole.values())
        if key not in seen and min(key, default=1) >= 0:
            seen.add(key)
            yield whole


def usual_sizes(open_dimensions: Sequence[OpenSize], given: Sizes) -> list[dict[str, int]]:
    """For every open dimension sizes with which nets are used, the likeliest first; those given stay."""
    free = _without_derived(open_dimensions, given)
    return [_with_derived(open_dimensions, {**_by_role(free, sizes), **given}) for sizes in _USUAL]


def _without_derived(open_dimensions: Sequence[OpenSize], given: Sizes) -> list[OpenSize]:
    """The dimensions that have no size yet and whose name is no formula of others."""
    return [size for size in open_dimensions if size.name not in given and _expression(size.name) is None]


def _by_role(free: Sequence[OpenSize], sizes: Sequence[int], roles: Sequence[str] | None = None) -> dict[str, int]:
    """Sizes of a batch, a length, a height and a width, by the names of the dimensions."""
    by_role = dict(zip((_BATCH, _LENGTH, _HEIGHT, _WIDTH), sizes, strict=True))
    return {size.name: by_role[role] for size, role in zip(free, roles or [size.role for size in free], strict=True)}


def _guesses(free: Sequence[OpenSize]) -> Iterator[dict[str, int]]:
    roles = [size.role for size in free]
    exchanged = [roles]
    if len(free) <= _MOST_EXCHANGED:
        exchanged += [list(others) for others in itertools.product((_BATCH, _LENGTH), repeat=len(free))]
    yield _by_role(free, _TRIED[0])
    yield _by_role(free, _TRIED[1])
    yield from sorted((_by_role(free, sizes, roles) for roles in exchanged for sizes in _TRIED), key=_work)
    # a model may take one item at a time though its batch is open
    yield from sorted((_by_role(free, (1, *sizes[1:])) for sizes in _TRIED), key=_work)
    for size in _ALIKE:
        yield dict.fromkeys([dimension.name for dimension in free], size)


def _work(sizes: Sizes) -> int:
    """About how much a run with these sizes has to do."""
    return prod(sizes.values())


def _role(port: Port, axis: int) -> str:
    shape = port.shape or ()
    rank = len(shape)
    if axis == 0:
        return _BATCH
    if rank < 4:
        return _LENGTH
    channels_last = shape[-1] in _CHANNELS
    first = 1 if channels_last else 2
    return _HEIGHT if axis <= first else _WIDTH


def _with_derived(open_dimensions: Sequence[OpenSize], sizes: Sizes) -> dict[str, int]:
    """All sizes in their order: those of which the name is a formula of others, such as `past + length`, computed."""
    whole = {}
    for size in open_dimensions:
        formula = None if size.name in sizes else _expression(size.name)
        whole[size.name] = sizes[size.name] if formula is None else _value(formula, sizes)
    return whole


def _expression(name: str) -> ast.expr | None:
    """The formula that a name is, where it is one."""
    try:
        parsed = ast.parse(name, mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return parsed if isinstance(parsed, ast.BinOp) and _is_formula(parsed) else None


def _is_formula(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return type(node.op) in _OPERATORS and _is_formula(node.left) and _is_formula(node.right)
    return isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and isinstance(node.value, int))


def _value(node: ast.expr, sizes: Sizes) -> int:
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, sizes), _value(node.right, sizes)
        return int(_OPERATORS[type(node.op)](left, right or 1 if isinstance(node.op, ast.FloorDiv) else right))
    if isinstance(node, ast.Name):
        # a name that stands in formulas only
        return sizes.get(node.id, _TRIED[0][1])
    assert isinstance(node, ast.Constant) and isinstance(node.value, int)
    return node.value
