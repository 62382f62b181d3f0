"""0, 1, 2 ... up to a number that is computed at run time, below the opset that brought Range."""

from math import log

import numpy as np
from onnx import GraphProto, TensorProto, helper, numpy_helper

from zoosmith.opset_upgrade.writer import Writer

_FEW = 512  # numbers that are counted one by one

_INT64, _BOOL = TensorProto.INT64, TensorProto.BOOL


def count_up(g: Writer, length: str, trailing: int = 0) -> str:
    """Emit the int64 numbers from 0 to below a length.

    Args:
        g: of the node that is replaced.
        length: a tensor of one int64 that is not negative, of shape [1].
        trailing: how many axes of size 1 the result has behind the one.
    """
    if g.target >= 9:
        ones = g.op("ConstantOfShape", length, value=numpy_helper.from_array(np.ones(1, np.bool_)))
        return g.op("Reshape", g.op("NonZero", ones), g.constant([-1] + [1] * trailing))
    few = g.op("Less", g.op("Cast", length, to=TensorProto.FLOAT), g.constant([_FEW + 1], np.float32))
    few = g.op("Reshape", few, g.constant([]))
    numbers = g.either(few, lambda: _count_one_by_one(g, length), lambda: _count_bit_by_bit(g, length))
    g.state_type(numbers, helper.make_tensor_type_proto(_INT64, [None]), _INT64)
    g.facts.state_indices(numbers)
    return g.op("Reshape", numbers, g.constant([-1] + [1] * trailing)) if trailing else numbers


def _count_bit_by_bit(g: Writer, length: str) -> str:
    """Emit a Loop that doubles what it has, once for each bit of the length."""
    # bit by bit of the length, from the highest: of k numbers make 2 k or 2 k + 1
    more = g.op("Cast", g.op("Add", length, g.constant([1])), to=TensorProto.FLOAT)
    bits = g.op(
        "Add", g.op("Mul", g.op("Log", more), g.constant([1 / log(2)], np.float32)), g.constant([1.5], np.float32)
    )
    trips = g.op("Cast", bits, to=_INT64)
    highest = g.op("Cast", g.op("Sub", trips, g.constant([1])), to=TensorProto.FLOAT)
    place = g.op("Cast", g.op("Pow", g.constant([2], np.float32), highest), to=_INT64)
    numbers = g.fresh("numbers")
    going = g.constant(True, np.bool_)  # may be left out, which onnx's evaluator reads as false
    inputs = [g.op("Reshape", trips, g.constant([])), going, g.constant([]), g.constant([0]), length, place]
    outputs = [numbers, *(g.fresh(name) for name in ("count", "rest", "place"))]
    g.emit(helper.make_node("Loop", inputs, outputs, body=_doubling(g)))
    return numbers


def _count_one_by_one(g: Writer, length: str) -> str:
    """Emit an RNN that adds 1 to what it had: faster for the first hundreds than a Loop is for one round."""
    steps = g.op("Concat", length, g.constant([1, 1]), axis=0)
    one = g.constant([[[1]]], np.float32)
    sums = g.fresh("sums")
    given = [g.op("Tile", one, steps), one, one, "", "", g.constant([[[-1]]], np.float32)]
    g.emit(helper.make_node("RNN", given, [sums], hidden_size=1, activations=["Relu"]))
    return g.op("Cast", g.op("Reshape", sums, g.constant([-1])), to=_INT64)


def _doubling(g: Writer) -> GraphProto:
    """The body of a Loop that carries the numbers so far, their count, the length without the bits done, and a bit."""
    given = {name: g.fresh(name) for name in ("trip", "going", "numbers", "count", "rest", "place")}
    made = {
        name: g.fresh(name)
        for name in ("twice", "upper", "bit", "last", "used", "one", "two", *(f"{n}_" for n in given))
    }
    # no constant of the main graph: ONNX Runtime up to 1.8 does not find those that only a graph in a graph reads
    nodes = [
        ("Identity", [given["going"]], made["going_"]),
        ("Add", [given["count"], given["count"]], made["twice"]),
        ("Add", [given["numbers"], given["count"]], made["upper"]),
        ("Div", [given["rest"], given["place"]], made["bit"]),
        ("Tile", [made["twice"], made["bit"]], made["last"]),
        ("Concat", [given["numbers"], made["upper"], made["last"]], made["numbers_"]),
        ("Add", [made["twice"], made["bit"]], made["count_"]),
        ("Mul", [made["bit"], given["place"]], made["used"]),
        ("Sub", [given["rest"], made["used"]], made["rest_"]),
        ("Div", [given["place"], given["place"]], made["one"]),
        ("Add", [made["one"], made["one"]], made["two"]),
        ("Div", [given["place"], made["two"]], made["place_"]),
    ]
    body = GraphProto(name="doubling")
    for operator, inputs, output in nodes:
        body.node.append(helper.make_node(operator, inputs, [output]))
        if operator == "Concat":
            body.node[-1].attribute.append(helper.make_attribute("axis", 0))
    sizes: dict[str, list[int | None]] = {"trip": [], "going": [], "numbers": [None]}
    for name, inner in given.items():
        kind, size = _BOOL if name == "going" else _INT64, sizes.get(name, [1])
        body.input.append(helper.make_tensor_value_info(inner, kind, size))
        if name != "trip":
            body.output.append(helper.make_tensor_value_info(made[f"{name}_"], kind, size))
    return body
