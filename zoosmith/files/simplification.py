"""A model's file with fewer nodes, verified before it is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoosmith.execution import SILENT, Progress
from zoosmith.files.writing import Written, write_verified
from zoosmith.onnx_model.external_data import external_tensors, load_external_data
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.onnx_model.saving import save_model
from zoosmith.optimize import OptimizeError, optimize
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.verification.proof import Limits, Proof


@dataclass(frozen=True)
class Simplified:
    """What became of a model.

    Attributes:
        written: the file and how it was verified.
        nodes_before: nodes of the original.
        nodes: nodes of the result.
    """

    written: Written
    nodes_before: int
    nodes: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "output": None if self.written.output is None else str(self.written.output),
            "nodes_before": self.nodes_before,
            "nodes": self.nodes,
            "proof": self.written.proof_as_dict(),
        }


def simplify_file(
    source: Path,
    output: Path,
    *,
    verify: bool = True,
    inputs: InputSource | None = None,
    cases: int = 3,
    limits: Limits | None = None,
    providers: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> Simplified:
    """Write a model that computes the same with fewer nodes.

    Args:
        source: the ONNX file.
        output: the file to write.
        verify: whether both models are run and compared; where they differ nothing is written.
        inputs: of the verification.
        cases: how many random inputs.
        limits: of the verification.
        providers: execution providers of ONNX Runtime for the verification.
        progress: shows how far it is.

    Returns:
        The file with how it was verified, and the numbers of nodes. Where outputs differ, no file is written.

    Raises:
        ZoosmithError: the model cannot be read, optimized, run or written.
    """
    original = load_in_place(source)
    load_external_data(external_tensors(original), source.parent)
    try:
        with progress.task("simplifying"):
            result = optimize(original)
    except OptimizeError as error:
        raise OptimizeError(f"{source}: {error}") from error

    def prove(path: Path, check: Callable[[], None]) -> Proof:
        # a runtime is loaded only where something runs
        from zoosmith.validation import verify_models

        return verify_models(
            source,
            path,
            inputs=inputs,
            cases=cases,
            limits=limits,
            providers=providers,
            result_structure=result,
            meanwhile=check,
            progress=progress,
        )

    written = write_verified(output, lambda path: save_model(result, path), source, prove if verify else None)
    return Simplified(written, len(original.graph.node), len(result.graph.node))
