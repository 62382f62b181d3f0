"""Named blobs, with Caffe2's shared memory: values are never changed in place, so any of them may be a view."""

import math
from dataclasses import dataclass

import numpy as np

from zoosmith.validation.errors import ValidationError
from zoosmith.validation.interpreter.values import Value


@dataclass
class _SharedMemory:
    """Memory that several blobs share: its elements, and the shape that each blob sees of them."""

    elements: np.ndarray
    shapes: dict[str, tuple[int, ...]]


class Workspace:
    """Blobs by name, and which of them share memory."""

    def __init__(self) -> None:
        self._blobs: dict[str, Value] = {}
        self._doubles: set[str] = set()
        self._shared: dict[str, _SharedMemory] = {}
        # Elements that a blob's memory holds: Caffe2 keeps it when a smaller tensor is written.
        self._capacities: dict[str, int] = {}
        self.written = 0
        """Elements that were written, each time anew."""

    def __contains__(self, name: str) -> bool:
        return name in self._blobs

    def __getitem__(self, name: str) -> Value:
        return self._blobs[name]

    def is_double(self, name: str) -> bool:
        """Whether the blob is a Caffe2 DOUBLE (FLOAT blobs are computed in float64 too)."""
        return name in self._doubles

    def fork(self) -> "Workspace":
        """A workspace with the same blobs, which can be written without touching this one."""
        copy = Workspace()
        copy._blobs = dict(self._blobs)
        copy._doubles = set(self._doubles)
        copy._capacities = dict(self._capacities)
        memories = {id(memory): _SharedMemory(memory.elements, dict(memory.shapes)) for memory in self._shared.values()}
        copy._shared = {name: memories[id(memory)] for name, memory in self._shared.items()}
        return copy

    def write(self, name: str, value: Value, *, double: bool = False) -> None:
        """Bind a value to a name, as an operator's output: what shares its memory sees the new elements."""
        size = value.size if isinstance(value, np.ndarray) else value.values.size
        self.written += size
        memory = self._shared.get(name)
        if memory is not None and isinstance(value, np.ndarray) and size <= self._capacities[name]:
            self._write_shared(name, value, memory)
        else:
            self._leave(name)
            self._blobs[name] = value
        self._capacities[name] = max(self._capacities.get(name, 0), size)
        if double and isinstance(value, np.ndarray) and value.dtype == np.float64:
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
        self._capacities[name] = self._capacities[source]
        if source in self._doubles:
            self._doubles.add(name)
        else:
            self._doubles.discard(name)

    def drop(self, name: str) -> None:
        """Forget a blob; what shares its memory keeps it."""
        self._leave(name)
        self._blobs.pop(name, None)

    def _write_shared(self, name: str, value: np.ndarray, memory: _SharedMemory) -> None:
        if value.dtype.kind != memory.elements.dtype.kind:
            raise ValidationError(
                f"blob {name!r} is written as {value.dtype} over memory that it shares as {memory.elements.dtype} "
                f"with {', '.join(map(repr, sorted(memory.shapes.keys() - {name})))}: give it a name of its own"
            )
        elements = np.zeros(max(memory.elements.size, value.size), value.dtype)
        elements[: memory.elements.size] = memory.elements
        elements[: value.size] = value.reshape(-1)
        memory.elements = elements
        memory.shapes[name] = value.shape
        for member, shape in memory.shapes.items():
            self._blobs[member] = elements[: math.prod(shape)].reshape(shape)

    def _leave(self, name: str) -> None:
        memory = self._shared.pop(name, None)
        if memory is not None:
            del memory.shapes[name]
            if len(memory.shapes) == 1:
                del self._shared[next(iter(memory.shapes))]
