"""What `validation` raises."""

from zoosmith.onnx_model.errors import ZoosmithError


class ValidationError(ZoosmithError):
    """A model or data that cannot be run or compared; the message is one line for the user."""


class StoppedError(ValidationError):
    """The time is up."""


class RunError(ValidationError):
    """A model does not run on inputs of the types and shapes that it states."""


class UnsupportedError(ValidationError):
    """The runtime has no such opset, operator or type; another runtime may have it."""
