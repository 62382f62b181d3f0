"""Recipes of nets and models that a user gives: what the files hold, and what a card file states."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from onnx import TensorProto

from zoosmith.convert import read_model
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.opset_upgrade.schemas import NEWEST_OPSET
from zoosmith.recipes.build_options import file_name
from zoosmith.recipes.caffe2_source import Caffe2Net, Inputs
from zoosmith.recipes.card_file import Card, with_card
from zoosmith.recipes.families import family_recipe, recognised
from zoosmith.recipes.onnx_source import OnnxSource
from zoosmith.recipes.recipe import Recipe
from zoosmith.recipes.rows import (
    FLOAT16_ROW,
    INTEGER_ROW,
    OPTIMIZED_ROW,
    Make,
    Row,
    converted,
    halved,
    onnx_release,
    optimized,
    qdq_rows,
    quantized,
    translated,
    translated_or_converted,
)
from zoosmith.recipes.samples import GivenInputs
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.verification.nets import with_image_sizes

_ZOO_OPSETS = (3, 6, 7, 8, 9)
_DEFAULT_ROWS = "9,12"


def net_recipe(
    path: Path,
    declared: Inputs,
    *,
    weights: Path | None = None,
    inputs: InputSource | None = None,
    name: str | None = None,
    card: Card | None = None,
) -> Recipe:
    """Return the recipe of any Caffe2 net.

    Args:
        path: of the predict net, or of a net in any other form that `convert.read_model` takes.
        declared: type and shape of its data; a published net has its own, unless they are declared otherwise.
        weights: its parameters, which nets of some forms are read together with.
        inputs: of the test data; random ones by default.
        name: prefix of the files' names; by default the net's name, or its file's.
        card: what the model card says beside.

    Raises:
        ZoosmithError: it cannot be read, or is no Caffe2 net.
    """
    try:
        read = read_model(path, None if weights is None or weights.suffix == ".onnx" else weights)
    except OSError as error:
        raise ZoosmithError(f"{path}: cannot be read: {error.strerror or error}") from error
    net = read.net
    family = recognised(net)
    source = inputs or InputSource()
    if family is not None:
        recipe = family_recipe(family, net)
        known = {port.name.removesuffix("_0"): tuple(port.shape or ()) for port in family.inputs}
        if not declared or {blob: tuple(shape) for blob, (_, shape) in declared.items()} == known:
            samples = recipe.samples if source.feed is None else GivenInputs(source)
            arguments = ("--net", path.name, *_feed(source), *_named(name))
            recipe = replace(recipe, samples=samples, prefix=name or recipe.prefix, arguments=arguments)
            return with_card(recipe, card or Card())
    declared = {**read.inputs, **declared}
    # a net of another form than Caffe2's own brings its parameters along
    own = read.init if isinstance(read.init, bytes) else None
    return with_card(_any_net(path, net, own, declared, source, name), card or Card())


def _any_net(
    path: Path, net: NetDef, own: bytes | None, declared: Inputs, source: InputSource, name: str | None
) -> Recipe:
    title = name or net.name or path.stem
    prefix = name or _slug(title)
    blobs = {f"{blob}_0": blob for blob in declared}

    def adapt(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return with_image_sizes(net, blobs, inputs)

    makes: dict[str, Make] = {str(opset): translated_or_converted(opset) for opset in _ZOO_OPSETS}
    # the net states the shapes that the user declared
    given = GivenInputs(replace(source, shapes={}), adapt)
    return Recipe(
        title=title,
        prefix=prefix,
        folder=prefix,
        tags=(prefix,),
        open_source=Caffe2Net(title=title, predict_net=lambda: net, inputs=declared, own_parameters=own).open,
        rows=_rows(title, makes),
        default_rows=_DEFAULT_ROWS,
        samples=given,
        arguments=("--net", path.name, *_inputs(declared, source.dims), *_feed(source), *_named(name)),
    )


def model_recipe(
    path: Path, *, inputs: InputSource | None = None, name: str | None = None, card: Card | None = None
) -> Recipe:
    """Return the recipe of any ONNX model.

    Args:
        path: of the file.
        inputs: of the test data; random ones that fit by default.
        name: prefix of the files' names; by default the file's name.
        card: what the model card says beside.

    Raises:
        ZoosmithError: it cannot be read, or is no ONNX model.
    """
    source = OnnxSource(path)
    opset = source.opset
    if not 1 <= opset <= NEWEST_OPSET:
        raise ZoosmithError(f"{path}: imports opset {opset}; expected one of 1 to {NEWEST_OPSET}")
    title = name or path.stem
    prefix = name or _slug(title)
    given = inputs or InputSource()
    stated = {port: (shape.elem_type or TensorProto.FLOAT, shape.sizes) for port, shape in given.shapes.items()}
    recipe = Recipe(
        title=title,
        prefix=prefix,
        folder=prefix,
        tags=(prefix,),
        open_source=lambda weights, seed, folder: source,
        rows=_rows(title, {str(opset): translated(opset)}),
        default_rows=str(opset),
        samples=GivenInputs(given),
        arguments=("--model", path.name, *_inputs(stated, given.dims), *_feed(given), *_named(name)),
    )
    return with_card(recipe, card or Card())


def _rows(title: str, makes: Mapping[str, Make]) -> dict[str, Row]:
    """The rows that have a form of their own; those of the other opsets are converted."""
    twelve = makes.get("12") or converted(12)
    exact = {**makes, "12": twelve, OPTIMIZED_ROW: optimized(twelve)}
    rows = {name: _row(title, name, make) for name, make in exact.items()}
    reduced = {INTEGER_ROW: quantized(twelve), FLOAT16_ROW: halved(twelve)}
    rows.update({name: replace(_row(title, name, make), exact=False) for name, make in reduced.items()})
    return {**rows, **{row.name: row for row in qdq_rows(title, twelve)}}


def _row(title: str, name: str, make: Make) -> Row:
    opset, _, form = name.partition("-")
    suffix = f"-{form}" if form else ""
    return Row(name, int(opset), make, title=f"{title}{suffix}", onnx_version=onnx_release(int(opset)))


def _inputs(declared: Inputs, dims: Mapping[str, int]) -> tuple[str, ...]:
    words = [word for name, size in dims.items() for word in ("--dim", f"{name}={size}")]
    for name, (elem_type, shape) in declared.items():
        # what an option without a type means
        kind = "" if elem_type == TensorProto.FLOAT else f"{TensorProto.DataType.Name(elem_type).lower()}:"
        words += ["--input", f"{name}={kind}{','.join(map(str, shape))}"]
    return tuple(words)


def _feed(source: InputSource) -> tuple[str, ...]:
    return () if source.feed is None else ("--feed", file_name(source.feed))


def _named(name: str | None) -> tuple[str, ...]:
    return () if name is None else ("--name", name)


def _slug(text: str) -> str:
    """A name for files: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.").lower() or "model"
