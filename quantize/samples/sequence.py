"""Samples that are read or made when they are asked for, as a sequence."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import overload

from zoosmith.onnx_model.constants import Array


class SampleSequence(Sequence[Mapping[str, Array]]):
    """A sequence of samples; what derives from it says how one is made."""

    @abstractmethod
    def sample(self, index: int) -> Mapping[str, Array]:
        """The sample at an index. Raises IndexError behind the last one."""

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Array]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Array]]: ...

    def __getitem__(self, index: int | slice) -> Mapping[str, Array] | Sequence[Mapping[str, Array]]:
        if isinstance(index, slice):
            return [self.sample(each) for each in range(*index.indices(len(self)))]
        return self.sample(index)
