"""Bundles: an archive of one model with its data sets, made of any model, and run to see that it gives its outputs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import Any

import onnx

from zoosmith.archives.packing import Member, write_archive
from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.external_data import external_files
from zoosmith.onnx_model.files import is_stream, refuse_replacing
from zoosmith.onnx_model.loading import load_in_place, load_structure
from zoosmith.onnx_model.ports import output_ports
from zoosmith.validation import Comparison, InputSource, Limits, ValidationError, compare, runner_for
from zoosmith.validation.inputs.fitting import fed_cases, fitting_cases
from zoosmith.validation.reading.datasets import DataSet, data_files, read_data_sets
from zoosmith.validation.reading.unpacking import unpacked
from zoosmith.validation.running.clock import Clock, loaded, timed_run
from zoosmith.validation.verification.randomness import refuse_random


def bundle(
    model: Path,
    output: Path,
    *,
    sets: int = 3,
    inputs: InputSource | None = None,
    timeout: float | None = None,
    providers: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> int:
    """Pack an ONNX file with data sets: inputs and the outputs that the model gives for them.

    Files that hold tensors of the model are packed beside it.

    Args:
        model: the file.
        output: the archive to write.
        sets: how many data sets of random inputs; a feed gives its own number.
        inputs: where they come from; random ones by default.
        timeout: seconds for all runs together.
        providers: execution providers of ONNX Runtime.
        progress: told of every data set.

    Returns:
        The number of data sets.

    Raises:
        ZoosmithError: the model cannot be read or run, or the archive not written.
    """
    inputs = inputs or InputSource()
    refuse_replacing(output, [model])
    structure = load_in_place(model)
    try:
        refuse_random(structure)
    except ValidationError as error:
        raise ValidationError(f"{model}: {error}") from error
    for port in output_ports(structure.graph):
        if not port.elem_type:
            raise ValidationError(
                f"{model}: output {port.name!r} is a {port.kind} without tensors, which no test data file can hold"
            )
    clock = Clock(timeout)
    runner = loaded(lambda: runner_for(model, structure=structure, providers=providers, timeout=timeout), clock)
    with progress.task("data sets", sets if inputs.feed is None else None) as task:

        def run(case: Mapping[str, Any]) -> dict[str, Any]:
            return timed_run(runner, case, clock, task)

        if inputs.feed is None:
            cases = fitting_cases(structure, run, inputs, sets, same_sizes=True)
        else:
            cases = fed_cases(run, inputs.cases(structure))
    made = [DataSet(case.inputs, case.outputs) for case in cases]
    name = model.stem if is_stream(output) else output.name
    folder = name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
    write_archive(output, bundle_members(folder, model, structure, made))
    return len(made)


def bundle_members(
    folder: str, content: bytes | Path, structure: onnx.ModelProto, sets: Sequence[DataSet]
) -> Iterator[Member]:
    """Yield the members of a bundle in their order: `<folder>/model.onnx`, what lies beside it, the data sets.

    `structure` is the model without the tensors that are kept in files beside it.
    """
    yield Member(f"{folder}/model.onnx", content)
    if isinstance(content, Path):
        for name in external_files(structure):
            yield Member(f"{folder}/{PurePosixPath(name)}", content.parent / name)
    for index, data in enumerate(sets):
        for name, file in data_files(index, data, structure.graph):
            yield Member(f"{folder}/{name}", file)


def validate(
    path: Path,
    *,
    limits: Limits | None = None,
    providers: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> dict[str, Comparison]:
    """Run every data set of a bundle and compare what the model gives with what is stored.

    Args:
        path: an archive or its unpacked folder.
        limits: what is accepted.
        providers: execution providers of ONNX Runtime.
        progress: notified of every data set.

    Returns:
        The comparisons by the data sets' names.

    Raises:
        ZoosmithError: it is no bundle, or its model does not run.
    """
    limits = limits or Limits()
    with nullcontext(path) if path.is_dir() else unpacked(path) as folder:
        model = _model_in(folder, path)
        runner = runner_for(model, providers=providers, timeout=limits.timeout)
        try:
            sets = read_data_sets(model.parent, load_structure(model).graph)
        except ZoosmithError as error:
            raise ZoosmithError(f"{path}: {error}") from error
        compared = {}
        with progress.task("data sets", len(sets)) as task:
            for name, data in sets.items():
                outputs = runner.run(data.inputs, timeout=limits.timeout)
                compared[name] = compare(data.outputs, outputs, rtol=limits.rtol, atol=limits.atol)
                task.advance()
        return compared


def _model_in(folder: Path, path: Path) -> Path:
    models = sorted(file for file in folder.rglob("*.onnx") if not file.name.startswith("."))
    if len(models) != 1:
        found = ", ".join(str(model.relative_to(folder)) for model in models) or "none"
        raise ZoosmithError(f"{path}: expected one model, model.onnx beside its test data, found {found}")
    return models[0]
