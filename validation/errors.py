"""What `validation` raises."""

from zoosmith.onnx_model.errors import ZoosmithError


class ValidationError(ZoosmithError):
    """A model or data that cannot be run or compared; the message is one line for the user."""
