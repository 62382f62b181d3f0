"""What `opset_upgrade` raises."""


class OpsetError(Exception):
    """A model that cannot be moved to the asked opset; the message is one line for the user."""
