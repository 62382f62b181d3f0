"""A small classifier whose BatchNormalizations state what made-up pictures make of it, as training would leave them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from tests.optimize.nets import Net
from zoosmith.quantize import calibrate
from zoosmith.quantize.samples.natural_images import natural_images
from zoosmith.quantize.samples.reading import synthetic_samples
from zoosmith.validation import preprocessing


def trained_net(preprocess: str = "torchvision") -> onnx.ModelProto:
    """Images of 32 x 32, pre-processed like this, to 8 classes."""
    net = Net([1, 3, 32, 32])
    x = net.batch_normalization(net.conv("data", 3, 8), 8)
    x = net.batch_normalization(net.conv(net.add("Relu", x), 8, 8), 8)
    model = net.model(net.add("GlobalAveragePool", net.add("Relu", x)))
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    samples = synthetic_samples(model, 32, preprocessing(preprocess), seed=1)
    for node in [node for node in model.graph.node if node.op_type == "BatchNormalization"]:
        seen = calibrate(model, samples, tensors=[node.input[0]])[node.input[0]]
        for name, value in zip(node.input[3:5], (seen.mean, seen.deviation**2), strict=True):
            tensors[name].CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))
    return model


def picture_folder(path: Path, count: int = 16) -> Path:
    """Made-up pictures in two class folders."""
    for index, picture in enumerate(natural_images(count, (64, 64), seed=2)):
        folder = path / str(index % 2)
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{index}.png")
    return path
