"""What `convert` raises."""


class ConvertError(Exception):
    """A net that cannot be read or translated; the message is one line for the user."""
