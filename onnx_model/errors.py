"""The base of every exception that this package raises on purpose."""


class ZoosmithError(Exception):
    """Bad input to a function, a command or a build; the message is one line for the user."""


class ModelError(ZoosmithError):
    """A model file that cannot be read or written, or that is no ONNX model."""


class WireFormatError(ModelError):
    """Bytes that are no protobuf message, or a cut one."""
