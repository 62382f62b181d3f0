"""A short spelling of the constants that int8 and detection operators are full of."""

import numpy as np

from zoosmith.convert.graph import Value
from zoosmith.convert.operator import Operator


def number(op: Operator, content: float, dtype: type[np.generic] = np.float32) -> Value:
    """Make a constant scalar."""
    return op.constant(np.array(content, dtype))
