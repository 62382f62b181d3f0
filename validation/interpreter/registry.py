"""Which function computes which Caffe2 operator."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from zoosmith.onnx_model.registry import Registry
from zoosmith.validation.interpreter.values import INTEGERS, QuantizedTensor, Value

Rows: TypeAlias = Literal["first", "all"]


@dataclass(frozen=True)
class Kernel:
    """The function of an operator, `(op, *inputs) -> array or tuple of arrays`, and how the engine calls it."""

    compute: Callable
    # The function takes float32 parameters as they are (to widen large ones piece by piece).
    raw: bool = False
    # The first output shares its memory with the first input.
    shares: bool = False
    # The function gives the name of the argument whose net the engine runs on the same blobs.
    chooses: bool = False
    # Each row of the result is of the same row of the first input, or of all inputs.
    rows: Rows | None = None
    signature: inspect.Signature = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signature", inspect.signature(self.compute))

    def accepts(self, count: int) -> bool:
        """Whether the function takes so many inputs."""
        try:
            self.signature.bind(None, *[None] * count)
        except TypeError:
            return False
        return True

    def misfit(self, values: Sequence[Value]) -> tuple[int, str] | None:
        """The first input that is not of the kind that the function's annotation names: its place, and that kind."""
        for place, (value, annotation) in enumerate(zip(values, self._annotations(), strict=False)):
            if isinstance(value, QuantizedTensor) != (annotation is QuantizedTensor):
                return place, "an int8 tensor" if annotation is QuantizedTensor else "a plain tensor"
            if isinstance(value, np.ndarray) and value.dtype.kind == "f" and INTEGERS in _metadata(annotation):
                return place, "integers"
        return None

    def _annotations(self) -> Iterator[Any]:
        """The annotation of each input; a parameter of any number of inputs stands for all of them."""
        parameters = list(self.signature.parameters.values())[1:]
        for parameter in parameters:
            many = parameter.kind is parameter.VAR_POSITIONAL
            yield from repeat(parameter.annotation) if many else (parameter.annotation,)


def _metadata(annotation: Any) -> list[Any]:
    """What `Annotated` says of a type, one that may be None included."""
    return list(chain.from_iterable(getattr(a, "__metadata__", ()) for a in (annotation, *get_args(annotation))))


KERNELS: Registry[str, Kernel] = Registry("zoosmith.validation.interpreter.operators", "kernel")
"""Every operator that the interpreter knows, by type."""


def operator(
    *types: str, raw: bool = False, shares: bool = False, chooses: bool = False, rows: Rows | None = None
) -> Callable[[Callable], Callable]:
    """Register the decorated function as the kernel of Caffe2's operators of these types.

    Args:
        types: operator types as the net spells them, `Conv` for instance.
        raw: the function takes float32 blobs as they are; by default it gets them in float64.
        shares: the first output shares its memory with the first input, as Alias does.
        chooses: the function gives the name of the argument whose net is run next, on the blobs of the workspace.
        rows: where each row of the one result is computed of the same row of the `first` input, or of `all`; large
            inputs are then cut in pieces.

    Raises:
        RuntimeError: a type has a kernel already.
    """

    def register(compute: Callable) -> Callable:
        for name in types:
            KERNELS.add(name, Kernel(compute, raw, shares, chooses, rows))
        return compute

    return register
