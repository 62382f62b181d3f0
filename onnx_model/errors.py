"""The base of every exception that this package raises on purpose."""


class ZoosmithError(Exception):
    """Bad input to a function, a command or a build; the message is one line for the user."""


class ModelError(ZoosmithError):
    """A model file that cannot be read or written, or that is no ONNX model."""


class WireFormatError(ModelError):
    """Bytes that are no protobuf message, or a cut one."""


class PathError(ModelError):
    """A file name in a file that leads out of its folder, over a link, or to no regular file."""


class InvalidModelError(ModelError):
    """A model that can be read, but is not valid ONNX."""


class DamagedModelError(ModelError):
    """An ONNX model whose content contradicts itself, or whose files of external data are not what it says."""


def first_line(error: BaseException) -> str:
    """The first line of an exception's message that is not empty, or its type where there is none.

    Args:
        error: an exception of a library, whose message may be many lines.
    """
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
