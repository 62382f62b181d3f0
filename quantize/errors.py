"""What `quantize` raises."""


class QuantizeError(Exception):
    """A model or calibration data that cannot be quantized; the message is one line for the user."""
