"""Checks of an archive: safe members, the right model, and test data that fits it and is what it computes."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, helper

from zoosmith.audit.files import AuditedFile, NotCheckedError, UnreadableError, pointer_at
from zoosmith.audit.registry import check
from zoosmith.hub.store import sha256_of
from zoosmith.onnx_model.errors import ZoosmithError, first_line
from zoosmith.onnx_model.external_data import external_files
from zoosmith.onnx_model.ports import Port, element_type_name, input_ports, output_ports
from zoosmith.validation import ValidationError, compare, runner_for
from zoosmith.validation.reading.datasets import DataSet, list_data_sets, read_data_set
from zoosmith.validation.running.onnx_runtime import onnx_runtime
from zoosmith.validation.running.runner import Runner


@check("members", "archive")
def members(file: AuditedFile) -> Iterable[str]:
    """It is an archive, and unpacks to files below its folder, no links, and no more than its size lets expect."""
    try:
        file.contents  # noqa: B018 - read, for the error that it may raise
    except UnreadableError as error:
        yield str(error).removeprefix(f"{file.path}: ")


@check("model inside", "archive")
def model_inside(file: AuditedFile) -> Iterable[str]:
    """It holds one model: the one that lies beside it, or that the manifest lists."""
    if len(file.models) != 1:
        names = ", ".join(str(path.relative_to(file.contents)) for path in file.models) or "none"
        yield f"expected one model, found {names}"
        return
    pointer = pointer_at(file.model_path)
    if pointer is not None:
        yield f"its model is a Git LFS pointer to a file of {pointer.size:,} bytes"
        return
    found, loose, info = sha256_of(file.model_path), file.loose_model, file.subject.info
    if loose is not None:
        if found != sha256_of(loose):
            yield f"its model is another one than {loose.name} beside it"
        else:
            yield from _other_data_files(file, loose)
    elif info is not None and info.model_sha not in (None, found):
        yield f"its model has SHA-256 {found}, the manifest says {info.model_sha}"


@check("model readable", "archive")
def model_readable(file: AuditedFile) -> Iterable[str] | None:
    """Its model is an ONNX model, with all the files that hold its tensors."""
    if pointer_at(file.model_path) is not None:
        return None
    try:
        file.structure  # noqa: B018 - read, for the error that it may raise
    except UnreadableError as error:
        return [str(error)]
    return []


@check("test data", "archive")
def test_data(file: AuditedFile) -> Iterable[str]:
    """It has data sets, each with a value for every input and output, of the right type and shape, and no other."""
    graph, folder = file.structure.graph, file.model_path.parent
    paths = list_data_sets(folder)
    if not paths:
        yield "there is none: expected test_data_set_0 with input_0.pb and output_0.pb in it"
    for path in paths:
        try:
            data = read_data_set(path, graph)
        except ZoosmithError as error:
            yield first_line(error)
            continue
        yield from (f"{path.name}: {defect}" for defect in _misfits(data, graph))
        yield from (f"{path.name}: {name} is of no input or output" for name in _spare_files(path, graph))


@check("outputs", "archive")
def outputs(file: AuditedFile) -> Iterable[str]:
    """Its model gives the outputs that are stored, in ONNX Runtime or, below opset 7, in the reference evaluator."""
    graph, sets = file.structure.graph, _readable_sets(file)
    if not sets:
        return
    runner, seen = _runner(file), set()
    for path in sets:
        data = read_data_set(path, graph)
        identity = _identity(data)
        if identity in seen:  # the zoo has many a set in both forms
            continue
        seen.add(identity)
        try:
            given = runner.run(data.inputs, timeout=file.limits.timeout)
        except ValidationError as error:
            reason = _reason(error, file)
            if runner.runtime.name != onnx_runtime().name:
                raise NotCheckedError(f"{runner.runtime} does not run it: {reason}") from error
            yield f"{path.name}: {reason}"
            continue
        compared = compare(data.outputs, given, rtol=file.limits.rtol, atol=file.limits.atol)
        if not compared.passed:
            yield f"{path.name}: {compared.reason}"


def _runner(file: AuditedFile) -> Runner:
    try:
        return runner_for(file.model_path, few_runs=True)
    except ValidationError as error:
        raise NotCheckedError(_reason(error, file)) from error


def _reason(error: Exception, file: AuditedFile) -> str:
    """The first line of an error without the place that the archive was unpacked in."""
    return first_line(error).removeprefix(f"{file.model_path}: ").replace(f"{file.contents}{os.sep}", "")


def _readable_sets(file: AuditedFile) -> list[Path]:
    """The data sets that fit the model; what the others lack is said by `test data`."""
    graph, fitting = file.structure.graph, []
    for path in list_data_sets(file.model_path.parent):
        try:
            if not any(_misfits(read_data_set(path, graph), graph)):
                fitting.append(path)
        except ZoosmithError:
            continue
    return fitting


def _identity(data: DataSet) -> str:
    """A hash of all values with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, value in [*data.inputs.items(), *data.outputs.items()]:
        for array in map(np.asarray, value if isinstance(value, list) else [value]):
            content = str(array.tolist()).encode() if array.dtype.kind in "OUS" else array.tobytes()
            digest.update(f"{name} {array.dtype} {array.shape} {len(content)} ".encode() + content)
    return digest.hexdigest()


def _other_data_files(file: AuditedFile, loose: Path) -> Iterator[str]:
    """Differences of the files that hold tensors of the model."""
    for name in external_files(file.structure):
        beside = loose.parent / name
        if not beside.is_file() or sha256_of(file.model_path.parent / name) != sha256_of(beside):
            yield f"its {name} is another one than beside {loose.name}"


def _spare_files(path: Path, graph: GraphProto) -> Iterator[str]:
    """Files of a data set's folder beyond the model's inputs and outputs."""
    if not path.is_dir():
        return
    required = sum(port.required for port in input_ports(graph))
    for side, count in (("input", required), ("output", len(graph.output))):
        known = {f"{side}_{position}.pb" for position in range(count)}
        # an input that is an initializer may be given all the same
        spare = {each.name for each in path.glob(f"{side}_*.pb") if not each.name.startswith(".")} - known
        yield from sorted(spare) if side == "output" or len(spare) + count > len(graph.input) else ()


def _misfits(data: DataSet, graph: GraphProto) -> Iterator[str]:
    inputs = [port for port in input_ports(graph) if port.required]
    yield from _side_misfits("input", data.inputs, inputs)
    yield from _side_misfits("output", data.outputs, output_ports(graph))


def _side_misfits(side: str, values: Mapping[str, Any], ports: Sequence[Port]) -> Iterator[str]:
    for port in ports:
        value = values.get(port.name)
        if port.kind != "tensor" or not isinstance(value, np.ndarray):
            continue
        wanted = helper.tensor_dtype_to_np_dtype(port.elem_type) if port.elem_type else value.dtype
        if value.dtype != wanted and not (wanted.kind == "O" and value.dtype.kind in "OUS"):
            yield f"{side} {port.name!r} is of {value.dtype}, the model has {element_type_name(port.elem_type)}"
        if port.shape is not None and not _fits(value.shape, port.shape):
            stated = ["?" if size is None else size for size in port.shape]
            yield f"{side} {port.name!r} has shape {list(value.shape)}, the model has {stated}"


def _fits(shape: Sequence[int], stated: Sequence[int | str | None]) -> bool:
    if len(shape) != len(stated):
        return False
    return all(not isinstance(other, int) or size == other for size, other in zip(shape, stated, strict=True))
