"""What `optimize` raises."""

from zoosmith.onnx_model.errors import ZoosmithError


class OptimizeError(ZoosmithError):
    """A model that cannot be optimized; the message is one line for the user."""
