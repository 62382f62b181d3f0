"""Layers that bring data in, and those that only training reads."""

from zoosmith.convert.caffe.layer import Layer, layer


@layer("AnnotatedData", "Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "VideoData", "WindowData")
def data(op: Layer) -> None:
    """Nothing: its tops are inputs of the net."""


@layer(
    "Accuracy",
    "ContrastiveLoss",
    "EuclideanLoss",
    "HDF5Output",
    "HingeLoss",
    "InfogainLoss",
    "MultinomialLogisticLoss",
    "SigmoidCrossEntropyLoss",
    "Silence",
)
def measure(op: Layer) -> None:
    """Nothing: a figure of the training, or a blob that nobody looks at."""
