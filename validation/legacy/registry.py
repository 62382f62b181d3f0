"""Which implementation serves which versions of an operator."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import onnx
from onnx.reference.op_run import OpRun

from zoosmith.validation.errors import ValidationError

Implementation = Callable[..., Any]
"""Takes the inputs in order (None for one left out) and the attributes by name, defaults filled in from the schema of
the version that runs; returns the output array, or a tuple where there are several."""

_FAMILIES = ("elementwise", "linear", "normalization", "pooling", "recurrent", "shaping")

# Operator -> (first opset, last opset or None for the newest, implementation).
_REGISTRY: dict[str, list[tuple[int, int | None, Implementation]]] = {}


def legacy(
    name: str, first: int, last: int | None, *, count_outputs: bool = False
) -> Callable[[Implementation], Implementation]:
    """Register the decorated function as operator `name` for models of opset `first` to `last` (None: to the newest).

    With `count_outputs` it also gets how many outputs the node has, as `outputs`.
    """

    def register(function: Implementation) -> Implementation:
        def counting(*inputs: Any, outputs: int, **attributes: Any) -> Any:
            return function(*inputs, **attributes)

        _REGISTRY.setdefault(name, []).append((first, last, function if count_outputs else counting))
        return function

    return register


@cache
def legacy_operators(opset: int) -> tuple[type[OpRun], ...]:
    """Return the operators that a model of `opset` of the default domain needs, for the evaluator's `new_ops`."""
    for family in _FAMILIES:
        import_module(f"zoosmith.validation.legacy.{family}")
    return tuple(
        _operator(name, opset, function)
        for name, versions in sorted(_REGISTRY.items())
        for first, last, function in versions
        if first <= opset and (last is None or opset <= last)
    )


def _operator(name: str, opset: int, function: Implementation) -> type[OpRun]:
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
