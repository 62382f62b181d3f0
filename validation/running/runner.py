"""What a runner is: a model made ready to be run, whatever runs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import onnx


@dataclass(frozen=True)
class Runtime:
    """What runs a model: its name and version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def reference_evaluator() -> Runtime:
    """The reference evaluator of the installed onnx."""
    return Runtime("onnx's reference evaluator", onnx.__version__)


class Runner(Protocol):
    """A model made ready to be run.

    Attributes:
        name: what an error message calls the model.
        runtime: what runs it.
        output_names: names of the outputs in their order.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def runtime(self) -> Runtime: ...  # noqa: D102

    @property
    def output_names(self) -> list[str]: ...  # noqa: D102

    def run(self, inputs: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Return the outputs by name.

        Args:
            inputs: values by the names of the inputs.
            timeout: seconds after which the run is stopped; None for those of `runs_limited`.

        Raises:
            ValidationError: an input is missing, unknown or does not fit, an operator fails, or the run was stopped.
        """
        ...
