"""What `zoosmith` itself raises."""


class ZoosmithError(Exception):
    """Bad input to a command or a build; the message is one line for the user."""
