"""What `validation` raises."""


class ValidationError(Exception):
    """A model or data that cannot be run or compared; the message is one line for the user."""
