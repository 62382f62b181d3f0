"""What can go wrong between a source and the cache."""

from zoosmith.onnx_model.errors import ZoosmithError


class HubError(ZoosmithError):
    """A source that cannot be read, a name that it does not have, or a file that is not what it should be."""


class NotFoundError(HubError):
    """The source has no such file."""


class InterruptedTransferError(HubError):
    """A transfer that was cut or stalled, or that the server could not serve now: worth another try."""
