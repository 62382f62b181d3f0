"""DenseNet-121: the recipe of the seven rows that the zoo publishes, and one without the affine operators."""

from onnx import TensorProto

from zoosmith.recipes.caffe2_source import Caffe2Net
from zoosmith.recipes.densenet121.card import card_facts
from zoosmith.recipes.densenet121.net import INPUT, INPUT_SHAPE, NET_NAME, parameter_shapes, predict_net
from zoosmith.recipes.densenet121.pictures import PREPROCESSING, SAMPLES
from zoosmith.recipes.densenet121.synthetic import synthetic_parameters
from zoosmith.recipes.init_nets import InitLayout
from zoosmith.recipes.published import families
from zoosmith.recipes.recipe import Recipe
from zoosmith.recipes.rows import (
    FLOAT16_ROW,
    INTEGER_ROW,
    OPTIMIZED_ROW,
    Row,
    halved,
    optimized,
    published_row,
    qdq_rows,
    quantized,
    relabelled,
    translated,
    upgraded_to_12,
)

_PUBLISHED = families()["densenet"]

# the translation to opset 6, which was never published: the file under its name is of opset 9
_SIZE_OF_OPSET_6 = 32_715_083

DENSENET121_NET = Caffe2Net(
    title=_PUBLISHED.title,
    predict_net=predict_net,
    shapes=parameter_shapes,
    inputs={INPUT: (int(TensorProto.FLOAT), INPUT_SHAPE)},
    layouts=(InitLayout(f"{NET_NAME}_init"),),
    synthesize=synthetic_parameters,
    published_init_net=_PUBLISHED.init_net,
)


_PUBLISHED_ROWS = [
    published_row(_PUBLISHED, "3", translated(3)),
    published_row(_PUBLISHED, "6", translated(6), size=_SIZE_OF_OPSET_6),
    published_row(_PUBLISHED, "7", relabelled(7, original=9)),
    published_row(_PUBLISHED, "8", relabelled(8, original=9)),
    published_row(_PUBLISHED, "9", translated(9)),
    published_row(_PUBLISHED, "12", upgraded_to_12),
    published_row(
        _PUBLISHED,
        INTEGER_ROW,
        quantized(upgraded_to_12),
        remark="another quantizer made the published file",
        exact=False,
    ),
]  # fmt: skip
_OPTIMIZED = Row(
    OPTIMIZED_ROW,
    12,
    optimized(upgraded_to_12),
    title=f"{_PUBLISHED.title}-{OPTIMIZED_ROW}",
    onnx_version=_PUBLISHED.rows["12"].onnx_version,
)
_HALF = Row(
    FLOAT16_ROW,
    12,
    halved(upgraded_to_12),
    title=f"{_PUBLISHED.title}-{FLOAT16_ROW}",
    onnx_version=_PUBLISHED.rows["12"].onnx_version,
    exact=False,
)

DENSENET121 = Recipe(
    title=_PUBLISHED.title,
    prefix=_PUBLISHED.prefix,
    folder=_PUBLISHED.folder,
    tags=("vision", "classification", "densenet-121"),
    open_source=DENSENET121_NET.open,
    rows={row.name: row for row in [*_PUBLISHED_ROWS, _OPTIMIZED, _HALF, *qdq_rows(_PUBLISHED.title, upgraded_to_12)]},
    default_rows=",".join(row.name for row in _PUBLISHED_ROWS),
    samples=SAMPLES,
    features=("pool5_1",),
    classifies=True,
    preprocessing=PREPROCESSING,
    card=card_facts(PREPROCESSING, _PUBLISHED.license),
)
