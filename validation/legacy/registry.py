"""Which implementation serves which versions of an operator."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import onnx
from onnx.reference.op_run import OpRun

from zoosmith.onnx_model.registry import Registry
from zoosmith.validation.errors import ValidationError

Function = Callable[..., Any]
"""Takes the inputs in order (None for one left out) and the attributes by name, defaults filled in from the schema of
the version that runs; returns the output array, or a tuple where there are several."""


@dataclass(frozen=True)
class Implementation:
    """A function, and the last opset it serves (None: the newest); the first one is in its key."""

    function: Function
    last: int | None


IMPLEMENTATIONS: Registry[tuple[str, int], Implementation] = Registry(
    "zoosmith.validation.legacy.operators", "legacy implementation"
)
"""By operator and the first opset that an implementation serves."""


def legacy(*names: str, first: int, last: int | None, count_outputs: bool = False) -> Callable[[Function], Function]:
    """Register the decorated function as operators of these names for models of opset `first` to `last`.

    Args:
        names: operator types of ONNX's default domain.
        first: the first opset that the function serves.
        last: the last one; None for the newest.
        count_outputs: the function also gets how many outputs the node has, as `outputs`.

    Raises:
        RuntimeError: a name has an implementation from `first` on already.
    """

    def register(function: Function) -> Function:
        def without_count(*inputs: Any, outputs: int, **attributes: Any) -> Any:
            return function(*inputs, **attributes)

        for name in names:
            IMPLEMENTATIONS.add((name, first), Implementation(function if count_outputs else without_count, last))
        return function

    return register


@cache
def legacy_operators(opset: int) -> tuple[type[OpRun], ...]:
    """Return the operators that a model of `opset` of the default domain needs, for the evaluator's `new_ops`."""
    return tuple(
        _operator(name, opset, implementation.function)
        for (name, first), implementation in sorted(IMPLEMENTATIONS.entries().items(), key=lambda entry: entry[0])
        if first <= opset and (implementation.last is None or opset <= implementation.last)
    )


def _operator(name: str, opset: int, function: Function) -> type[OpRun]:
    schema = onnx.defs.get_schema(name, opset)

    def run(self: Any, *inputs: Any, **attributes: Any) -> tuple[Any, ...]:
        # a memory hint of opsets below 6; no result depends on it
        attributes.pop("consumed_inputs", None)
        try:
            result = function(*inputs, outputs=len(self.onnx_node.output), **attributes)
        except (ValueError, TypeError, IndexError) as error:
            node = f"node {self.onnx_node.name!r} " if self.onnx_node.name else ""
            where = f"{node}({name}-{schema.since_version}, output {self.onnx_node.output[0]!r})"
            raise ValidationError(f"{where}: {error}") from error
        return result if isinstance(result, tuple) else (result,)

    return type(name, (OpRun,), {"op_domain": "", "op_schema": schema, "_run": run})
