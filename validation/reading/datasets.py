"""Data sets of a model: inputs with the outputs that they must give, in the zoo's `.pb` and `.npz` files."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, OptionalProto, SequenceProto, TensorProto, ValueInfoProto, numpy_helper
from onnx.external_data_helper import uses_external_data

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.ports import required_inputs
from zoosmith.onnx_model.reading import read_regular, reading
from zoosmith.onnx_model.tensor_data import check_data
from zoosmith.validation.reading.array_files import ArrayArchive, open_arrays

# Field of onnx's TypeProto -> the message that holds such a value, to it and from it.
_MESSAGES: dict[str, tuple[Any, Any, Any]] = {
    "tensor_type": (TensorProto, numpy_helper.from_array, numpy_helper.to_array),
    "sequence_type": (SequenceProto, numpy_helper.from_list, numpy_helper.to_list),
    "optional_type": (OptionalProto, numpy_helper.from_optional, numpy_helper.to_optional),
}
# older numpys have no type hints for it
_write_array: Any = np.lib.format.write_array
# zip's number for the system that made a file
_UNIX = 3


@dataclass(frozen=True)
class DataSet:
    """Values by name, in the order of the graph: arrays, lists for sequences, None for an empty optional."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


def data_files(index: int, data: DataSet, graph: GraphProto) -> Iterator[tuple[str, bytes]]:
    """Write a data set as files.

    `test_data_set_<index>/input_<n>.pb` and `output_<n>.pb` hold onnx's messages. `test_data_<index>.npz` is there
    where numpy itself has all the types: arrays `inputs` and `outputs`, the values stacked along a new first axis;
    values that do not stack are `inputs_0`, `inputs_1`, … instead.

    Args:
        index: the number of the data set.
        data: its values by name.
        graph: whose inputs and outputs they are.

    Yields:
        Name and content of each file.

    Raises:
        ZoosmithError: a value is of a kind that onnx has no message for.
    """
    for side, values, infos in (("input", data.inputs, graph.input), ("output", data.outputs, graph.output)):
        kinds = {info.name: info.type.WhichOneof("value") for info in infos}
        for position, (name, value) in enumerate(values.items()):
            if kinds[name] not in _MESSAGES:
                raise ZoosmithError(f"{side} {name!r} is of {kinds[name]}, which no test data file can hold")
            message = _MESSAGES[kinds[name]][1](value, name)
            yield f"test_data_set_{index}/{side}_{position}.pb", message.SerializeToString(deterministic=True)
    inputs, outputs = _stacked("inputs", data.inputs), _stacked("outputs", data.outputs)
    if inputs is not None and outputs is not None:
        yield f"test_data_{index}.npz", _npz({**inputs, **outputs})


def read_data_sets(folder: Path, graph: GraphProto) -> dict[str, DataSet]:
    """Read data sets. Files are taken by the names of the values in them, else by their position.

    Args:
        folder: where they lie: every `test_data_set_*` in it, or where there is none, every `test_data_*.npz`.
        graph: whose inputs and outputs they hold.

    Returns:
        The data sets by the names of their folders or files, in the order of their numbers.

    Raises:
        ZoosmithError: there is no data set, or a file is missing or damaged; the message names the file.
    """
    folders = sorted((path for path in folder.glob("test_data_set_*") if path.is_dir()), key=_number)
    if folders:
        return {path.name: _read_messages(path, graph) for path in folders}
    archives = sorted(folder.glob("test_data_*.npz"), key=_number)
    if archives:
        return {path.name: _read_npz(path, graph) for path in archives}
    raise ZoosmithError("no test data: expected test_data_set_0 with input_0.pb and output_0.pb in it")


def list_data_sets(folder: Path) -> list[Path]:
    """The data sets in a folder, of both kinds: folders `test_data_set_*` and files `test_data_*.npz`.

    Args:
        folder: where they lie.
    """
    folders = [path for path in folder.glob("test_data_set_*") if path.is_dir()]
    return sorted(folders, key=_number) + sorted(folder.glob("test_data_*.npz"), key=_number)


def read_data_set(path: Path, graph: GraphProto) -> DataSet:
    """Read one data set.

    Args:
        path: a folder `test_data_set_*` or a file `test_data_*.npz`.
        graph: whose inputs and outputs it holds.

    Raises:
        ZoosmithError: a file is missing or damaged; the message names it.
    """
    return _read_messages(path, graph) if path.is_dir() else _read_npz(path, graph)


def read_input_sets(folder: Path, graph: GraphProto) -> dict[str, dict[str, Any]]:
    """Read only the inputs of data sets.

    Args:
        folder: as for `read_data_sets`, or a single data set's own folder, in which `input_0.pb` lies.
        graph: whose inputs they are.

    Returns:
        For each data set, values by the names of the inputs.

    Raises:
        ZoosmithError: as `read_data_sets` does.
    """
    inputs = required_inputs(graph)
    if (folder / "input_0.pb").is_file():
        return {folder.name: _read_side(folder, "input", inputs)}
    folders = sorted((path for path in folder.glob("test_data_set_*") if path.is_dir()), key=_number)
    if folders:
        return {path.name: _read_side(path, "input", inputs) for path in folders}
    return {name: dict(data.inputs) for name, data in read_data_sets(folder, graph).items()}


def _number(path: Path) -> tuple[int, str]:
    digits = re.search(r"\d+", path.name)
    return (int(digits.group()) if digits else 0, path.name)


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return what `np.savez` writes, without what depends on the versions of numpy and Python and on the system."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            # a ZipInfo of its own has the oldest date there is
            info = zipfile.ZipInfo(f"{name}.npy")
            info.create_system = _UNIX
            content = io.BytesIO()
            _write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(info, content.getvalue())
    return buffer.getvalue()


def _stacked(name: str, values: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Return the arrays that an .npz file holds; None where it cannot without pickles."""
    arrays = [_without_objects(value) for value in values.values()]
    if not arrays or any(array is None for array in arrays):
        return None
    if len({(array.dtype, array.shape) for array in arrays}) == 1:
        return {name: np.stack(arrays)}
    return {f"{name}_{position}": array for position, array in enumerate(arrays)}


def _without_objects(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return None
    if value.dtype.kind == "O":
        return value.astype(str)
    # numpy keeps only the size of types that are not its own
    return value if value.dtype.isbuiltin == 1 else None


def _read_messages(folder: Path, graph: GraphProto) -> DataSet:
    return DataSet(
        _read_side(folder, "input", required_inputs(graph)), _read_side(folder, "output", list(graph.output))
    )


def _read_side(folder: Path, side: str, infos: Sequence[ValueInfoProto]) -> dict[str, Any]:
    """Read the values of one side: by the names in the files where these name every port, else by position."""
    paths = [folder / f"{side}_{position}.pb" for position in range(len(infos))]
    read = [_read_message(path, info) for path, info in zip(paths, infos, strict=True)]
    named = dict(read)
    kinds = {info.type.WhichOneof("value") for info in infos}
    if len(kinds) == 1 and named.keys() == {info.name for info in infos}:
        return {info.name: named[info.name] for info in infos}
    return {info.name: value for info, (_, value) in zip(infos, read, strict=True)}


def _read_message(path: Path, info: ValueInfoProto) -> tuple[str, Any]:
    """The name that a file gives its value, and the value."""
    where = f"{path.parent.name}/{path.name}"
    kind = info.type.WhichOneof("value")
    if kind not in _MESSAGES:
        raise ZoosmithError(f"{where}: {info.name!r} is of {kind}, which cannot be read")
    message, _, to_value = _MESSAGES[kind]
    content = read_regular(path, name=where, error=ZoosmithError)
    with reading(where, f"onnx's {message.__name__} for {info.name!r}", ZoosmithError):
        read = message.FromString(content)
        for tensor in _tensors_in(read):
            if uses_external_data(tensor):
                raise ZoosmithError(f"the data of {info.name!r} lies in another file, which is not read")
            check_data(tensor)
        return read.name, to_value(read)


def _tensors_in(message: Any) -> Iterator[TensorProto]:
    """The tensors of one of onnx's messages of values, however deep."""
    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                yield from _tensors_in(inner)


def _read_npz(path: Path, graph: GraphProto) -> DataSet:
    with open_arrays(path, name=path.name) as arrays:
        return DataSet(
            _unstacked(path, "inputs", arrays, required_inputs(graph)),
            _unstacked(path, "outputs", arrays, list(graph.output)),
        )


def _unstacked(path: Path, name: str, arrays: ArrayArchive, infos: Sequence[ValueInfoProto]) -> dict[str, Any]:
    if name in arrays.names:
        values = list(arrays.read(name)) if arrays.shape(name) else []
    else:
        numbered = [f"{name}_{position}" for position in range(len(infos))]
        values = [arrays.read(key) for key in numbered if key in arrays.names]
    if len(values) != len(infos):
        raise ZoosmithError(f"{path.name}: expected {len(infos)} {name}, found {len(values)}")
    return {info.name: value for info, value in zip(infos, values, strict=True)}
