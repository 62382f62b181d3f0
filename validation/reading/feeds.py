"""Reading the inputs of a model from a file of the user's: numpy's files, data sets of the zoo, bundles."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from onnx import GraphProto

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import Model, load_model, model_name
from zoosmith.onnx_model.ports import required_inputs
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.reading.array_files import is_single_array, open_arrays, read_array
from zoosmith.validation.reading.datasets import read_input_sets
from zoosmith.validation.reading.unpacking import unpacked


def read_feed(path: Path, model: Model) -> list[dict[str, Any]]:
    """Read inputs of a model: one dictionary of values by name for each data set that the file holds.

    Args:
        path: `.npz` with an array for each input by its name, or that of its Caffe2 blob, or with the zoo's `inputs`;
            `.npy` for a model of one input; a folder `test_data_set_N`, or one that holds such folders; a `.tar.gz` or
            `.tar` of a bundle.
        model: whose inputs they are.

    Returns:
        For each data set of the file, the values of a run by the names of the inputs.

    Raises:
        ValidationError: the file cannot be read, is none of these, or lacks an input.
    """
    graph = load_model(model, external_data=False).graph
    if not path.exists():
        raise ValidationError(f"{path}: no such file or folder; expected .npz, .npy, a data set's folder or a bundle")
    if path.suffix in (".npz", ".npy"):
        return [_read_arrays(path, graph, model_name(model))]
    if path.is_dir() or path.name.endswith((".tar.gz", ".tgz", ".tar")):
        with _folder(path) as folder:
            try:
                return list(read_input_sets(folder, graph).values())
            except ZoosmithError as error:
                raise ValidationError(f"{path}: {error}") from error
    raise ValidationError(
        f"{path}: expected .npz, .npy, a data set's folder or a bundle (.tar.gz), found {path.suffix!r}"
    )


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """The folder that holds the data sets."""
    with nullcontext(path) if path.is_dir() else unpacked(path) as folder:
        if (folder / "input_0.pb").is_file():
            yield folder
            return
        held = sorted(found.parent for found in folder.glob("**/test_data_*") if not found.name.startswith("."))
        yield held[0] if held else folder


def _read_arrays(path: Path, graph: GraphProto, model: str) -> dict[str, Any]:
    names = [value.name for value in required_inputs(graph)]
    if is_single_array(path):
        if len(names) != 1:
            raise ValidationError(f"{path}: one array, but {model} has {len(names)} inputs: give an .npz file")
        return {names[0]: read_array(path)}
    with open_arrays(path) as arrays:
        # a blob of a Caffe2 net has its version behind its name in the model
        stored = {name: name if name in arrays.names else name.removesuffix("_0") for name in names}
        if set(stored.values()) <= set(arrays.names):
            return {name: arrays.read(place) for name, place in stored.items()}
        if "inputs" in arrays.names:
            values = list(arrays.read("inputs")) if arrays.shape("inputs") else []
        else:
            numbered = [f"inputs_{index}" for index in range(len(names))]
            values = [arrays.read(name) for name in numbered if name in arrays.names]
        if len(values) != len(names):
            missing = ", ".join(repr(name) for name in names if name not in arrays.names)
            held = ", ".join(arrays.names) or "none"
            raise ValidationError(f"{path}: no array {missing}, an input of {model}; it has {held}")
    return dict(zip(names, values, strict=True))
