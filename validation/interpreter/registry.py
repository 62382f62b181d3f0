"""Which function computes which Caffe2 operator."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

from zoosmith.onnx_model.registry import Registry


@dataclass(frozen=True)
class Kernel:
    """The function of an operator, `(op, *inputs) -> array or tuple of arrays`, and how the engine calls it."""

    compute: Callable
    # The function takes float32 parameters as they are (to widen large ones piece by piece).
    raw: bool = False
    # The first output shares its memory with the first input.
    shares: bool = False
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


KERNELS: Registry[str, Kernel] = Registry("zoosmith.validation.interpreter.operators", "kernel")
"""Every operator that the interpreter knows, by type."""


def operator(*types: str, raw: bool = False, shares: bool = False) -> Callable[[Callable], Callable]:
    """Register the decorated function as the kernel of Caffe2's operators of these types.

    Args:
        types: operator types as the net spells them, `Conv` for instance.
        raw: the function takes float32 blobs as they are; by default it gets them in float64.
        shares: the first output shares its memory with the first input, as Alias does.

    Raises:
        RuntimeError: a type has a kernel already.
    """

    def register(compute: Callable) -> Callable:
        for name in types:
            KERNELS.add(name, Kernel(compute, raw, shares))
        return compute

    return register
