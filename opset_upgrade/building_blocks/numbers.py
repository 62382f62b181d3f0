"""Questions to floating-point numbers, in comparisons that every opset has."""

import numpy as np

from zoosmith.opset_upgrade.writer import Writer


def is_number(g: Writer, name: str) -> str:
    """Emit whether each element is not NaN."""
    up, down = g.scalar_like(name, np.inf), g.scalar_like(name, -np.inf)
    return g.op("Or", g.op("Less", name, up), g.op("Greater", name, down))
