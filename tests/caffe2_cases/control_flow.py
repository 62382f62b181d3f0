"""Operators that decide what runs."""

import numpy as np

from tests.caffe2_cases.case import Data, OperatorCase, case
from tests.validation.caffe2_nets import net_of
from zoosmith.convert.proto.caffe2_pb2 import NetDef

DATA = Data(21)


def choice(label: str, condition: str, then_net: NetDef, else_net: NetDef, **inputs: np.ndarray) -> OperatorCase:
    """A net that writes `y` and `z`, then one of two nets by a comparison of `n` with 0."""
    net = net_of(
        ("Relu", "x", "y"),
        ("Negative", "x", "z"),
        ("ConstantFill", "", "zero", {"shape": [], "value": 0.0}),
        (condition, "n zero", "c"),
        inputs="x n",
        outputs="y z",
    )
    op = net.op.add(type="If", input=["c"])
    op.arg.add(name="then_net").n.CopyFrom(then_net)
    op.arg.add(name="else_net").n.CopyFrom(else_net)
    net.op.add(type="Sqr", input=["y"], output=["y"])
    return OperatorCase("If", net, inputs, label=f"If {label}")


X = DATA.floats(2, 3)
WRITES = net_of(("Sigmoid", "y", "t"), ("Add", "t x", "y"), inputs="x y")
NOTHING = NetDef(name="nothing")
OTHER_ROWS = net_of(("Concat", "x y", "z split", {"axis": 0}), inputs="x y", outputs="z")

CASES = [
    *(case("IsEmpty", array) for array in (DATA.floats(2, 3), np.zeros((0, 4), np.float32), np.float32(1))),
    *(
        choice(f"{name} {kind}", kind, *nets, x=X, n=np.float32(1))
        for name, nets in {
            "one branch writes": (WRITES, NOTHING),
            "the other writes": (NOTHING, WRITES),
            "both write": (WRITES, OTHER_ROWS),
        }.items()
        for kind in ("GT", "LT")
    ),
]
