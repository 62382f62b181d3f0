"""Which function computes which Caffe2 operator."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

_FAMILIES = (
    "broadcast",
    "conv",
    "detection",
    "elementwise",
    "fills",
    "indexing",
    "int8",
    "int8_layout",
    "int8_regions",
    "linear",
    "normalization",
    "pooling",
    "reduction",
    "regions",
    "resize",
    "segments",
    "shape",
)


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


_KERNELS: dict[str, Kernel] = {}


def operator(*types: str, raw: bool = False, shares: bool = False) -> Callable[[Callable], Callable]:
    """Register a function as the meaning of Caffe2's operators of these types."""

    def register(compute: Callable) -> Callable:
        for name in types:
            if name in _KERNELS:
                raise RuntimeError(f"operator {name} is registered twice")
            _KERNELS[name] = Kernel(compute, raw, shares)
        return compute

    return register


def kernels() -> dict[str, Kernel]:
    """Every operator that the interpreter knows, by type."""
    for family in _FAMILIES:
        import_module(f"zoosmith.validation.interpreter.{family}")
    return _KERNELS
