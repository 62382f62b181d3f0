"""What `quantize` raises."""

from zoosmith.onnx_model.errors import ZoosmithError


class QuantizeError(ZoosmithError):
    """A model or calibration data that cannot be quantized; the message is one line for the user."""


class NothingToQuantizeError(QuantizeError):
    """A model without a layer that has an integer form."""
