"""The published Caffe2 families: nets that are known by their SHA-256, and the recipes of their rows."""

import hashlib
import sys
from collections.abc import Callable
from importlib.resources import files

from onnx import TensorProto

from zoosmith.convert import write_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.recipes.caffe2_source import Caffe2Net, Inputs
from zoosmith.recipes.card_file import card_of, with_card
from zoosmith.recipes.densenet121 import DENSENET121
from zoosmith.recipes.exporter_habits import (
    with_dropout_masks,
    with_flattening_gemms,
    with_graph_name,
    with_nameless_gemms,
    with_ratios_as_initializers,
)
from zoosmith.recipes.init_nets import InitLayout
from zoosmith.recipes.pictures import picture_inputs
from zoosmith.recipes.published import LICENSE_SOURCE, Family, families
from zoosmith.recipes.recipe import CardFacts, Recipe
from zoosmith.recipes.rows import (
    FLOAT16_ROW,
    INTEGER_ROW,
    OPTIMIZED_ROW,
    Make,
    Row,
    halved,
    onnx_release,
    optimized,
    published_row,
    qdq_rows,
    quantized,
    translated,
    upgraded_to_12,
)
from zoosmith.validation.reading.preprocess import preprocessing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# the opsets of the rows that are translations
_TRANSLATED = ("3", "6", "7", "8", "9")
# one family's Gemms carry a name as all other nodes do; why is not known
_NAMED_GEMMS = {"resnet50"}
_SOURCE = """\
is the published one of caffe2/models. Opsets 3 to 9 are translations of it, in the form that each opset allows and with
the habits of the exporter that the zoo's files show; 12 is the upgrade of 9 by onnx's own converter."""
_FLATTENING = (
    " At opset 3, Gemm reads what has four sizes and flattens it, as Caffe2's ONNX backend does: the published file is "
    "so, against the text of Gemm."
)


def recognised(net: NetDef) -> Family | None:
    """Find the published family of a net.

    Args:
        net: as it was read; its own name may be another, as in the text file of AlexNet.

    Returns:
        The family whose published predict net it is, by SHA-256; None where it is none.
    """
    renamed = NetDef()
    renamed.CopyFrom(net)
    for family in families().values():
        if family.predict_net is None:
            continue
        renamed.name = family.net
        for same in (net, renamed):
            if hashlib.sha256(write_net(same)).hexdigest() == family.predict_net.sha256:
                return family
    return None


def family_recipe(family: Family, net: NetDef) -> Recipe:
    """Return the recipe of a published family.

    Args:
        family: of the zoo's table.
        net: its predict net.
    """
    if family.net == DENSENET121_NAME:
        return DENSENET121
    published = NetDef()
    published.CopyFrom(net)
    if hashlib.sha256(write_net(net)).hexdigest() != (family.predict_net.sha256 if family.predict_net else ""):
        published.name = family.net
    inputs: Inputs = {
        port.name.removesuffix("_0"): (
            int(TensorProto.FLOAT),
            tuple(size or "N" for size in port.shape or ()),
        )
        for port in family.inputs
    }
    (data,) = inputs
    source = Caffe2Net(
        title=family.title,
        predict_net=lambda: published,
        inputs=inputs,
        layouts=(
            InitLayout(f"{family.net}_init"),
            InitLayout(None, data),
            InitLayout(None, data, (1, 1)),
            InitLayout(None),
        ),
        published_init_net=family.init_net,
    )
    card = card_of(tomllib.loads(_card_text(family)), family.prefix)
    preprocess = card.preprocessing or preprocessing("none")
    shape = family.inputs[0].shape or ()
    height, width = (size if isinstance(size, int) else 224 for size in shape[2:])
    rows = _rows(family, published)
    recipe = Recipe(
        title=family.title,
        prefix=family.prefix,
        folder=family.folder,
        tags=("vision", "classification", family.prefix),
        open_source=source.open,
        rows={row.name: row for row in rows},
        default_rows=",".join(row.name for row in rows if row.published is not None),
        samples=picture_inputs(family.inputs[0].name, preprocess, (height, width)),
        classifies=True,
        card=CardFacts(
            license=family.license,
            license_source=LICENSE_SOURCE,
            source=_SOURCE + (_FLATTENING if "FC" in {operator.type for operator in published.op} else ""),
        ),
    )
    return with_card(recipe, card)


DENSENET121_NAME = families()[DENSENET121.prefix].net


def _card_text(family: Family) -> str:
    return files(__package__).joinpath("family_cards", f"{family.prefix}.toml").read_text(encoding="utf-8")


def _rows(family: Family, net: NetDef) -> list[Row]:
    """The published rows that can be made, and those of opset 12 that the zoo makes of every family."""
    as_exported = _habits(family, net)
    twelve = with_ratios_as_initializers(as_exported(upgraded_to_12))
    makes: dict[str, Make] = {}
    for name in _TRANSLATED:
        made = as_exported(translated(int(name)))
        makes[name] = with_flattening_gemms(made) if name == "3" else made
    makes["12"] = twelve
    found = [_row(family, name, make) for name, make in makes.items()]
    remark = "another quantizer made the published file"
    integer = _row(family, INTEGER_ROW, quantized(twelve), remark=remark, exact=False)
    half = _row(family, FLOAT16_ROW, halved(twelve), exact=False)
    twins = qdq_rows(family.title, twelve)
    return [*found, integer, half, _row(family, OPTIMIZED_ROW, optimized(twelve)), *twins]


def _habits(family: Family, net: NetDef) -> Callable[[Make], Make]:
    def exported(make: Make) -> Make:
        if family.graph is not None:
            make = with_graph_name(make, family.graph)
        make = with_dropout_masks(make, net)
        return make if family.net in _NAMED_GEMMS else with_nameless_gemms(make)

    return exported


def _row(family: Family, name: str, make: Make, *, remark: str = "", exact: bool = True) -> Row:
    if name in family.rows:
        return published_row(family, name, make, remark=remark, exact=exact)
    opset = int(name.partition("-")[0])
    return Row(name, opset, make, title=f"{family.title}-{name}", onnx_version=onnx_release(opset), exact=exact)
