"""A second model as one file: a small Caffe2 classifier of two inputs, with all that a recipe states of it."""

from collections.abc import Mapping

import numpy as np
from onnx import TensorProto

from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef
from zoosmith.recipes.caffe2_source import Caffe2Net
from zoosmith.recipes.init_nets import InitLayout
from zoosmith.recipes.recipe import CardFacts, Recipe
from zoosmith.recipes.rows import INTEGER_ROW, Row, quantized, relabelled, translated, upgraded_to_12
from zoosmith.recipes.samples import SampleInputs
from zoosmith.recipes.source import Arrays

SHAPES = {"conv_w": (8, 3, 3, 3), "conv_b": (8,), "fc_w": (10, 8 * 16 * 16), "fc_b": (10,)}


def predict_net() -> NetDef:
    net = NetDef(name="small", external_input=[*SHAPES, "image", "shift"], external_output=["prob", "score"])
    kernel = [Argument(name="kernel", i=3), Argument(name="pad", i=1)]
    net.op.extend(
        [
            OperatorDef(type="Conv", input=["image", "conv_w", "conv_b"], output=["conv"], arg=kernel),
            OperatorDef(type="Relu", input=["conv"], output=["conv"]),
            OperatorDef(type="FC", input=["conv", "fc_w", "fc_b"], output=["fc"]),
            OperatorDef(type="Sum", input=["fc", "shift"], output=["score"]),
            OperatorDef(type="Softmax", input=["score"], output=["prob"]),
        ]
    )
    return net


def parameters(seed: int) -> Mapping[str, np.ndarray]:
    stream = np.random.RandomState(seed)
    return {name: (stream.random_sample(shape) - 0.5).astype(np.float32) / 4 for name, shape in SHAPES.items()}


def inputs(seed: int, index: int) -> Arrays:
    stream = np.random.RandomState([seed, index])
    return {
        "image_0": stream.random_sample((1, 3, 16, 16)).astype(np.float32),
        "shift_0": stream.random_sample((1, 10)).astype(np.float32),
    }


NET = Caffe2Net(
    title="Small",
    predict_net=predict_net,
    inputs={"image": (TensorProto.FLOAT, (1, 3, 16, 16)), "shift": (TensorProto.FLOAT, (1, 10))},
    shapes=lambda: SHAPES,
    layouts=(InitLayout("small_init"),),
    synthesize=parameters,
)

SMALL = Recipe(
    title="Small",
    prefix="small",
    folder="vision/classification/small",
    tags=("vision", "small"),
    open_source=NET.open,
    rows={
        row.name: row
        for row in (
            Row("8", 8, relabelled(8, original=9), title="Small", onnx_version="1.3"),
            Row("9", 9, translated(9), title="Small", onnx_version="1.4"),
            Row("12", 12, upgraded_to_12, title="Small-12", onnx_version="1.9"),
            Row(INTEGER_ROW, 12, quantized(upgraded_to_12), title="Small-12-int8", onnx_version="1.9", exact=False),
        )
    },
    samples=SampleInputs(inputs, "random arrays"),
    card=CardFacts(license="Apache-2.0", paper="None."),
)
