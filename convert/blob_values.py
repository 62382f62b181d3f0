"""What each Caffe2 blob holds while the net is followed, and which blobs share memory."""

from collections.abc import Iterable
from math import prod

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.graph import Value
from zoosmith.convert.operator import DeferredValue, Operator


class BlobValues:
    """The current value of every blob. Blobs that share memory change together."""

    def __init__(self) -> None:
        self._values: dict[str, Value | DeferredValue | None] = {}
        self._shared: dict[str, set[str]] = {}

    def read(self, blob: str, reader: str) -> Value:
        """Give a blob's value; ConvertError where nothing has written it or its content has no translation."""
        value = self._values.get(blob)
        if isinstance(value, Value):
            return value
        if blob not in self._values:
            raise ConvertError(f"{reader} reads {blob!r}, which nothing has written before")
        if value is None:
            raise ConvertError(f"{reader} reads {blob!r}, an output that has no translation")
        made = self._values[blob] = value()
        return made

    def write(self, blob: str, value: Value | DeferredValue | None) -> None:
        """Put a value into a blob; None for one that cannot be translated."""
        self._values[blob] = value

    def release(self) -> None:
        """Forget all values: those still to be computed refer to the translation."""
        self._values.clear()

    def shares_memory(self, blobs: Iterable[str]) -> bool:
        """Tell whether one of these blobs shares its memory with another one."""
        return not self._shared.keys().isdisjoint(blobs)

    def finish(self, op: Operator, sources: list[str], targets: list[str]) -> None:
        """Put the results of an operator into the blobs it writes."""
        for index, blob in enumerate(targets):
            value = op.bound.get(index)
            if index in op.shares:
                self._leave(blob)
                source = sources[op.shares[index]]
                group = self._shared.setdefault(source, set())
                group |= {source, blob}
                self._shared[blob] = group
            elif blob in self._shared:
                value = self._overwrite_shared(blob, value, op)
            self._values[blob] = value
        # what is still to be computed refers to the operator, which then must not refer to it
        op.bound.clear()

    def _overwrite_shared(self, blob: str, value: Value | DeferredValue | None, op: Operator) -> Value:
        """Change all blobs that share memory with `blob`, or none of them where the new tensor needs more memory."""
        if callable(value):
            value = value()
        if value is None:
            op.refuse(f"it writes {blob!r}, which shares memory with other blobs, and has no translation")
        old, new = self.read(blob, op.type).shape, value.shape
        if old is not None and old == new and None not in old:
            for other in self._shared[blob]:
                self._values[other] = value
        elif _size(old) < _size(new):
            self._leave(blob)
        else:
            op.refuse(f"it overwrites {blob!r}, which shares memory with other blobs, by a tensor of another shape")
        return value

    def _leave(self, blob: str) -> None:
        group = self._shared.pop(blob, set())
        group.discard(blob)


def _size(shape: tuple | None) -> int:
    known = shape is not None and all(isinstance(size, int) for size in shape)
    return prod(shape) if known and shape is not None else 0
