"""Models whose large weights are mapped from the files that hold them, so that none is in memory before it is used."""

import os
from collections.abc import Iterator
from math import prod
from pathlib import Path

from onnx import ModelProto, TensorProto, numpy_helper
from onnx.external_data_helper import set_external_data, uses_external_data

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.external_data import data_span, load_external_data
from zoosmith.onnx_model.in_place import (
    MOST_LOADED_ELEMENTS,
    array_of,
    check_unchanged,
    has_spans,
    length_of,
    load_span,
    load_spans,
    point_to,
    span_at,
    span_of,
    spliced,
)
from zoosmith.onnx_model.links import as_path
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.onnx_model.reading import reading
from zoosmith.onnx_model.traversal import all_attributes, all_graphs, all_tensors, tensors_in

# bytes that are read at a time
_BLOCK = 1 << 20


def load_mapped(path: str | os.PathLike[str]) -> ModelProto:
    """Return a model whose large weights stay in its file, or in the files beside it.

    Weights are initializers of the model's own graph with two dimensions or more. All other tensors are loaded, so that
    `values_of` is needed for weights alone. None of the files may change while the model is in use.

    Args:
        path: the model file; a `LinkedPath` where links may lead to files of external data.

    Raises:
        ModelError: as `load_model` does.
    """
    model = load_in_place(path)
    folder = as_path(path).parent
    with reading(as_path(path), "an ONNX model"):
        for tensor in filter(_is_weight, model.graph.initializer):
            if uses_external_data(tensor) and span_of(tensor) is None:
                found = data_span(tensor, folder)
                tensor.ClearField("external_data")
                point_to(tensor, span_at(os.path.realpath(found.path), found.offset, found.length))
        for tensor in _others(model):
            load_span(tensor)
            if uses_external_data(tensor):
                load_external_data([tensor], folder)
    return model


def _is_weight(tensor: TensorProto) -> bool:
    return len(tensor.dims) > 1 and prod(tensor.dims) > MOST_LOADED_ELEMENTS


def _others(model: ModelProto) -> Iterator[TensorProto]:
    """The tensors of a model that are no weights."""
    yield from (tensor for tensor in model.graph.initializer if not _is_weight(tensor))
    for sparse in model.graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from tensors_in(list(all_graphs(model))[1:], list(all_attributes(model)))


def values_of(tensor: TensorProto) -> Array:
    """The values of a tensor: in memory, or mapped from the file in which they were left."""
    mapped = array_of(tensor)
    return numpy_helper.to_array(tensor) if mapped is None else mapped


def loaded(model: ModelProto) -> ModelProto:
    """The model with all of its data in the message, for who does not share files with it; itself where it is so."""
    if not has_spans(model):
        return model
    copy = ModelProto()
    copy.CopyFrom(model)
    load_spans(copy)
    return copy


def size_in_bytes(model: ModelProto) -> int:
    """What a model takes in a file, the weights that were left in files included."""
    return length_of(list(spliced(model.SerializeToString()))) if has_spans(model) else model.ByteSize()


def content_of(model: ModelProto) -> Iterator[bytes]:
    """The content of a model's file in parts, the weights that were left in files included."""
    content = model.SerializeToString(deterministic=True)
    for part in spliced(content) if has_spans(model) else [content]:
        if isinstance(part, bytes):
            yield part
            continue
        check_unchanged(part)
        with open(part.path, "rb") as file:
            file.seek(part.offset)
            for start in range(0, part.length, _BLOCK):
                yield file.read(min(_BLOCK, part.length - start))


def with_external_data(model: ModelProto) -> tuple[ModelProto, Path]:
    """The model as ONNX states data in other files, and the folder that the locations are relative to.

    A runtime can map the weights from there. Files may hold them at any byte, as a model file does.

    Args:
        model: with weights that were left in files, on one drive; it is left as it was.

    Raises:
        ModelError: a file was changed since.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    spans = [(tensor, span) for tensor in all_tensors(copy) if (span := span_of(tensor)) is not None]
    paths = {span.path: Path(os.path.realpath(span.path)) for _, span in spans}
    folder = Path(os.path.commonpath([path.parent for path in paths.values()]))
    for span in {span.path: span for _, span in spans}.values():
        check_unchanged(span)
    for tensor, span in spans:
        tensor.ClearField("external_data")
        # without this, onnx takes the tensor for one that has no data at all
        tensor.raw_data = b""
        set_external_data(tensor, paths[span.path].relative_to(folder).as_posix(), span.offset, span.length)
        tensor.ClearField("raw_data")
    return copy, folder
