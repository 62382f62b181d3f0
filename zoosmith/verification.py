"""Whether a converted model still computes what the original did, and where it first does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto, NodeProto, ValueInfoProto

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.validation.comparison import Comparison, compare
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.runners import runner_for
from zoosmith.validation.testdata import random_inputs

_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}


@dataclass(frozen=True)
class Verification:
    """What became of running two models on the same inputs.

    Attributes:
        comparison: of the outputs.
        first: the node of the original whose output is the first to differ, in words; None if nothing differs or the
            models have no value in common before the outputs.
    """

    comparison: Comparison
    first: str | None


def verify(
    original: ModelProto,
    converted: ModelProto,
    *,
    folder: Path | None = None,
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    rtol: float = 1e-3,
    atol: float = 1e-5,
) -> Verification:
    """Run both models on the same random inputs and compare.

    Args:
        original: the model as it was.
        converted: what it became; its inputs and outputs have the same names.
        folder: where files of external data lie, if the models have any; both are then run from files in it.
        seed: of the random inputs.
        dims: sizes of symbolic dimensions.
        rtol: relative limit.
        atol: absolute limit, as `validation.compare` takes it.

    Raises:
        ZoosmithError: the models cannot be compared: one cannot be run, or draws random numbers.
    """
    drawing = sorted({node.op_type for node in all_nodes(original) if not node.domain and node.op_type in _RANDOM})
    if drawing:
        raise ZoosmithError(f"it draws random numbers ({', '.join(drawing)}), so two runs differ")
    try:
        inputs = random_inputs(original, seed=seed, dims=dims)
        expected, actual = (_run(model, inputs, folder) for model in (original, converted))
    except ValidationError as error:
        raise ZoosmithError(str(error)) from error
    comparison = compare(expected, actual, rtol=rtol, atol=atol)
    first = None if comparison.passed else _first_difference(original, converted, inputs, folder, rtol, atol)
    return Verification(comparison, first)


def _run(model: ModelProto, inputs: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    if folder is None:
        return runner_for(model).run(inputs)
    # tensors in files are found from the model's own folder
    import tempfile

    with tempfile.NamedTemporaryFile(dir=folder, suffix=".onnx", delete=False) as file:
        path = Path(file.name)
    try:
        path.write_bytes(model.SerializeToString())
        return runner_for(path).run(inputs)
    finally:
        path.unlink()


def _first_difference(
    original: ModelProto,
    converted: ModelProto,
    inputs: Mapping[str, Any],
    folder: Path | None,
    rtol: float,
    atol: float,
) -> str | None:
    made = {name for node in converted.graph.node for name in node.output if name}
    shared = [(name, node) for node in original.graph.node for name in node.output if name in made]
    try:
        expected, actual = (_run(_showing(model, shared), inputs, folder) for model in (original, converted))
    except ValidationError:  # a runner may refuse values as outputs that it can compute with
        return None
    for name, node in shared:
        if not compare({name: expected[name]}, {name: actual[name]}, rtol=rtol, atol=atol).passed:
            return f"{node.name or 'unnamed'} ({node.op_type}), output {name!r}"
    return None


def _showing(model: ModelProto, values: list[tuple[str, NodeProto]]) -> ModelProto:
    """The model with more of its values among the outputs."""
    shown = ModelProto()
    shown.CopyFrom(model)
    already = {value.name for value in model.graph.output}
    shown.graph.output.extend(ValueInfoProto(name=name) for name, _ in values if name not in already)
    return shown
