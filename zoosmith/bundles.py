"""Bundles: an archive of one model with its data sets, made of any model, and run to see that it gives its outputs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

import onnx

from zoosmith.archives import Member, unpacked, write_archive
from zoosmith.datasets import DataSet, data_files, read_data_sets
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import external_files, load_model
from zoosmith.validation import Comparison, compare, random_inputs, runner_for


def bundle(model: Path, output: Path, *, sets: int = 3, seed: int = 0, dims: Mapping[str, int] | None = None) -> None:
    """Pack `model`, an ONNX file, with `sets` data sets of random inputs and the outputs that it gives for them.

    Set k is made of seed `seed` + k; `dims` gives the size of symbolic dimensions by name. Files that hold tensors of
    the model are packed beside it. Raises ZoosmithError or ValidationError for a model that cannot be read or run.
    """
    structure = load_model(model, external_data=False)
    runner = runner_for(model)
    made = []
    for index in range(sets):
        inputs = random_inputs(structure, seed=seed + index, dims=dims)
        made.append(DataSet(inputs, runner.run(inputs)))
    folder = output.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
    write_archive(output, bundle_members(folder, model, structure, made))


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


def validate(path: Path, *, rtol: float = 1e-3, atol: float = 1e-5) -> dict[str, Comparison]:
    """Run every data set of a bundle, an archive or its unpacked folder; return the comparisons by the sets' names.

    Raises ZoosmithError for what is no bundle, ValidationError for a model that does not run.
    """
    with nullcontext(path) if path.is_dir() else unpacked(path) as folder:
        model = _model_in(folder, path)
        runner = runner_for(model)
        sets = read_data_sets(model.parent, load_model(model, external_data=False).graph)
        return {
            name: compare(data.outputs, runner.run(data.inputs), rtol=rtol, atol=atol) for name, data in sets.items()
        }


def _model_in(folder: Path, path: Path) -> Path:
    models = sorted(file for file in folder.rglob("*.onnx") if not file.name.startswith("."))
    if len(models) != 1:
        found = ", ".join(str(model.relative_to(folder)) for model in models) or "none"
        raise ZoosmithError(f"{path}: expected one model, model.onnx beside its test data, found {found}")
    return models[0]
