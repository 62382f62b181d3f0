"""Named blobs, with Caffe2's shared memory: values are never changed in place, so any of them may be a view."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from validation.errors import ValidationError
from validation.interpreter.values import Value


@dataclass
class _SharedMemory:
    """Memory that several blobs share: its elements, and the shape that each blob sees of them."""

    elements: np.ndarray
    shapes: dict[str, tuple[int, ...]]


class Workspace:
    """Blobs by name, and which of them share memory."""

    def __init__(self, blobs: Mapping[str, Value]):
        self._blobs: dict[str, Value] = dict(blobs)
        self._doubles = {name for name, value in blobs.items() if _is_float64(value)}
        self._shared: dict[str, _SharedMemory] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._blobs

    def __getitem__(self, name: str) -> Value:
        return self._blobs[name]

    def is_double(self, name: str) -> bool:
        """Whether the blob is a Caffe2 DOUBLE (FLOAT blobs are computed in float64 too)."""
        return name in self._doubles

    def fork(self, blobs: Mapping[str, Value]) -> "Workspace":
        """A workspace with these blobs as well, which can be written without touching this one."""
        copy = Workspace(blobs)
        copy._blobs = {**self._blobs, **blobs}
        copy._doubles |= self._doubles.difference(blobs)
        memories = {id(memory): _SharedMemory(memory.elements, dict(memory.shapes)) for memory in self._shared.values()}
        copy._shared = {name: memories[id(memory)] for name, memory in self._shared.items()}
        return copy

    def write(self, name: str, value: Value, *, double: bool = False) -> None:
        """Bind a value to a name, as an operator's output: what shares its memory sees the new elements."""
        memory = self._shared.get(name)
        if memory is not None and isinstance(value, np.ndarray) and value.size <= memory.elements.size:
            self._write_shared(name, value, memory)
        else:
            self._leave(name)
            self._blobs[name] = value
        if double and _is_float64(value):
            self._doubles.add(name)
        else:
            self._doubles.discard(name)

    def share(self, source: str, name: str) -> None:
        """Make the blob `name` see the memory of `source`."""
        value = self._blobs[source]
        if source == name:
            return
        self._leave(name)
        if not isinstance(value, np.ndarray):
            raise ValidationError(f"blob {source!r} is no plain tensor, expected one to make {name!r} an alias of it")
        memory = self._shared.setdefault(source, _SharedMemory(value.reshape(-1), {source: value.shape}))
        memory.shapes[name] = value.shape
        self._shared[name] = memory
        self._blobs[name] = value
        if source in self._doubles:
            self._doubles.add(name)
        else:
            self._doubles.discard(name)

    def drop(self, name: str) -> None:
        """Forget a blob; what shares its memory keeps it."""
        self._leave(name)
        self._blobs.pop(name, None)

    def _write_shared(self, name: str, value: np.ndarray, memory: _SharedMemory) -> None:
        # Caffe2 keeps a tensor's memory when it is written with no more bytes than it holds.
        if value.dtype.kind != memory.elements.dtype.kind:
            raise ValidationError(
                f"blob {name!r} is written as {value.dtype} over memory that it shares as {memory.elements.dtype} "
                f"with {', '.join(map(repr, sorted(memory.shapes.keys() - {name})))}: give it a name of its own"
            )
        elements = memory.elements.astype(value.dtype)
        elements[: value.size] = value.reshape(-1)
        memory.elements = elements
        memory.shapes[name] = value.shape
        for member, shape in memory.shapes.items():
            self._blobs[member] = elements[: int(np.prod(shape))].reshape(shape)

    def _leave(self, name: str) -> None:
        memory = self._shared.pop(name, None)
        if memory is not None:
            del memory.shapes[name]
            if len(memory.shapes) == 1:
                del self._shared[next(iter(memory.shapes))]


def _is_float64(value: Value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64
