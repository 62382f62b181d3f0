"""Where two models part: the first value that both compute and that differs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, ValueInfoProto

from zoosmith.onnx_model.external_data import external_files, external_tensors, load_external_data
from zoosmith.onnx_model.in_place import has_spans
from zoosmith.onnx_model.links import as_path
from zoosmith.onnx_model.loading import Model, load_structure
from zoosmith.onnx_model.saving import save_model
from zoosmith.onnx_model.temporary import temporary_folder
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.verification.comparison import Comparison, compare
from zoosmith.validation.verification.proof import Difference, Limits

# values that are looked at in one run; all at once could need more memory than the model itself
_AT_ONCE = 64


def first_difference(
    original: Model,
    converted: Model,
    inputs: Mapping[str, Any],
    limits: Limits,
    left: Callable[[], float | None],
) -> Difference | None:
    """Find the first value, in the original's order, that both models compute under one name and that differs.

    Args:
        original: the model as it was.
        converted: what it became.
        inputs: on which they differ.
        limits: what counts as equal.
        left: seconds that a run may take.

    Returns:
        What differs; None where it is not found: a runtime may refuse values as outputs that it can compute with.
    """
    before, after = load_structure(original), load_structure(converted)
    made = {name for node in after.graph.node for name in node.output if name}
    shared = [(name, node) for node in before.graph.node for name in node.output if name in made]
    try:
        for start in range(0, len(shared), _AT_ONCE):
            part = shared[start : start + _AT_ONCE]
            names = [name for name, _ in part]
            expected = _values(before, original, names, inputs, left())
            actual = _values(after, converted, names, inputs, left())
            for name, node in part:
                if name not in expected or name not in actual:
                    continue
                values = {name: expected[name]}, {name: actual[name]}
                found = compare(*values, rtol=limits.rtol, atol=limits.atol)
                if not found.passed:
                    return _difference(node, name, found, expected[name], actual[name])
    except ValidationError:
        return None
    return None


def _values(
    structure: ModelProto, model: Model, names: Sequence[str], inputs: Mapping[str, Any], timeout: float | None
) -> dict[str, Any]:
    """What a model computes under these names."""
    shown = ModelProto()
    shown.CopyFrom(structure)
    already = {value.name: value for value in structure.graph.output}
    del shown.graph.output[:]
    shown.graph.output.extend(already.get(name) or ValueInfoProto(name=name) for name in names)
    with _runnable(shown, model) as source:
        return runner_for(source, few_runs=True).run(inputs, timeout=timeout)


@contextmanager
def _runnable(shown: ModelProto, model: Model) -> Iterator[Model]:
    """A model that was changed, as a file where the data of its tensors lies in files."""
    if not (has_spans(shown) or external_files(shown)) or isinstance(model, (bytes, ModelProto)):
        yield shown
        return
    # tensors in files are found from the model's own folder, where nothing may be written
    load_external_data(external_tensors(shown), as_path(model).parent)
    with temporary_folder() as folder:
        path = folder / "shown.onnx"
        save_model(shown, path)
        yield path


def _difference(node: NodeProto, name: str, found: Comparison, expected: Any, actual: Any) -> Difference:
    reason = found.outputs[0].reason or ""
    place = _worst(expected, actual)
    if place is None:
        return Difference(node.name, node.op_type, name, reason)
    values = (np.asarray(value)[place] for value in (expected, actual))
    return Difference(node.name, node.op_type, name, reason, list(place), *map(_plain, values))


def _worst(expected: Any, actual: Any) -> tuple[int, ...] | None:
    """Index of the element that differs most; None for what is no array of one shape."""
    if isinstance(expected, (list, tuple, dict)) or isinstance(actual, (list, tuple, dict)):
        return None
    e, a = np.asarray(expected), np.asarray(actual)
    if e.shape != a.shape or e.dtype != a.dtype or not e.size:
        return None
    if e.dtype.kind in "OUSb" or e.dtype.kind == "c":
        differs = (e != a).astype(np.float64)
    else:
        with np.errstate(all="ignore"):
            wide = np.abs(a.astype(np.float64) - e.astype(np.float64))
        same = (e == a) | (np.isnan(e.astype(np.float64)) & np.isnan(a.astype(np.float64)))
        # NaN or infinity on one side only
        differs = np.where(same, 0.0, np.where(np.isfinite(wide), wide, np.inf))
    return tuple(int(axis) for axis in np.unravel_index(int(np.argmax(differs)), e.shape))


def _plain(value: Any) -> Any:
    """A number or text for JSON."""
    if isinstance(value, np.ndarray):
        value = value[()]
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (np.bool_, np.integer)):
        return value.item()
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if np.isfinite(number) else str(number)
