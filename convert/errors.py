"""What `convert` raises."""

from zoosmith.onnx_model.errors import ZoosmithError


class ConvertError(ZoosmithError):
    """A net that cannot be read or translated; the message is one line for the user."""
