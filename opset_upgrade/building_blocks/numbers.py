"""Questions to floating-point numbers, and choices between them, in operators that every opset has."""

import numpy as np

from zoosmith.opset_upgrade.writer import Writer


def is_number(g: Writer, name: str) -> str:
    """Emit whether each element is not NaN."""
    up, down = g.scalar_like(name, np.inf), g.scalar_like(name, -np.inf)
    return g.op("Or", g.op("Less", name, up), g.op("Greater", name, down))


def choose_floats(g: Writer, condition: str, yes: str, no: str) -> str:
    """Emit the choice of `yes` or `no`.

    To the power of 0 everything is 1, NaN and infinities too: one factor is the value chosen, the other is 1.

    A product with PRelu would be faster, but up to ONNX Runtime 1.23 its slope is multiplied by 0 where it is not used.
    """
    kind = g.element_type(yes)
    chosen, rest = (g.op("Cast", each, to=kind) for each in (condition, g.op("Not", condition)))
    return g.op("Mul", g.op("Pow", yes, chosen), g.op("Pow", no, rest))
