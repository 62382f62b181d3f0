"""Operators equal to an earlier one are written again without their translators: nothing else may come of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto

from zoosmith.convert import caffe2_to_onnx, registry, translation
from zoosmith.convert.operator import Operator
from zoosmith.convert.proto.caffe2_pb2 import NetDef

SHAPE = [1, 4, 6, 6]
KINDS = ("Relu", "Add", "AddSelf", "MulChannels", "Conv", "SpatialBN", "MaxPool", "Dropout", "Softmax", "Reshape")


def add_operator(net: NetDef, init: NetDef, kind: str, blob: str, made: str, other: str) -> None:
    """Add an operator of the kind that reads `blob`, a tensor of SHAPE as all blobs here, and makes `made`."""

    def parameter(name: str, *shape: int) -> str:
        fill = init.op.add(type="GivenTensorFill", output=[f"{made}_{name}"])
        fill.arg.add(name="values", floats=np.ones(shape).ravel().tolist())
        fill.arg.add(name="shape", ints=shape)
        return f"{made}_{name}"

    if kind == "Add":
        net.op.add(type="Add", input=[blob, other], output=[made])
    elif kind == "AddSelf":
        net.op.add(type="Add", input=[blob, blob], output=[made])
    elif kind == "MulChannels":
        op = net.op.add(type="Mul", input=[blob, parameter("s", 4)], output=[made])
        op.arg.add(name="broadcast", i=1)
        op.arg.add(name="axis", i=1)
    elif kind == "Conv":
        op = net.op.add(type="Conv", input=[blob, parameter("w", 4, 4, 3, 3), parameter("b", 4)], output=[made])
        op.arg.add(name="kernel", i=3)
        op.arg.add(name="pad", i=1)
    elif kind == "SpatialBN":
        net.op.add(type=kind, input=[blob, *(parameter(name, 4) for name in "sbmv")], output=[made])
        net.op[-1].arg.add(name="is_test", i=1)
    elif kind == "MaxPool":
        op = net.op.add(type=kind, input=[blob], output=[made])
        for name, value in (("kernel", 3), ("pad", 1), ("stride", 1)):
            op.arg.add(name=name, i=value)
    elif kind == "Dropout":
        net.op.add(type=kind, input=[blob], output=[made, f"{made}_mask"]).arg.add(name="is_test", i=1)
    elif kind == "Reshape":
        # shares its memory with the input
        op = net.op.add(type=kind, input=[blob], output=[made, f"{made}_old"])
        op.arg.add(name="shape", ints=SHAPE)
    else:
        net.op.add(type=kind, input=[blob], output=[made])


def net_of(steps: list[tuple[str, bool, int]]) -> tuple[NetDef, NetDef]:
    """A chain of operators, some in place; each may read an earlier blob besides."""
    net, init = NetDef(name="forms", external_input=["data"]), NetDef(name="forms_init")
    blobs = ["data"]
    for index, (kind, in_place, back) in enumerate(steps):
        blob = blobs[-1]
        made = blob if in_place and kind != "Reshape" and index else f"x{index}"
        add_operator(net, init, kind, blob, made, blobs[back % len(blobs)])
        blobs.append(made)
    net.external_output.append(blobs[-1])
    return net, init


def convert(net: NetDef, init: NetDef, opset: int) -> ModelProto:
    return caffe2_to_onnx(net, init, inputs={"data": (TensorProto.FLOAT, SHAPE)}, opset=opset)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.booleans(), st.integers(0, 20)), min_size=1, max_size=14),
    st.sampled_from([6, 9, 13]),
)
def test_a_net_becomes_the_same_whether_forms_are_used_or_every_translator_is_followed(
    steps: list[tuple[str, bool, int]], opset: int
) -> None:
    net, init = net_of(steps)
    with pytest.MonkeyPatch.context() as patch:
        plain = {name: known._replace(alike=False) for name, known in registry.translators().items()}
        patch.setattr(translation, "translators", lambda: plain)
        expected = convert(net, init, opset)
    assert convert(net, init, opset).SerializeToString() == expected.SerializeToString()


def test_the_translator_of_equal_operators_is_followed_twice() -> None:
    calls = []
    known = registry.translators()

    def counted(op: Operator) -> None:
        calls.append(op.type)
        known["Conv"].translate(op)

    net, init = net_of([("Conv", False, 0)] * 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translation, "translators", lambda: {**known, "Conv": known["Conv"]._replace(translate=counted)})
        model = convert(net, init, 9)
    # the form is learnt the second time, and many come once only
    assert calls == ["Conv", "Conv"]
    assert [node.op_type for node in model.graph.node] == ["Conv"] * 5


def test_an_operator_of_other_arguments_or_another_shape_is_translated_for_itself() -> None:
    net, init = net_of([("Conv", False, 0), ("Conv", False, 0), ("MaxPool", False, 0), ("Conv", False, 0)])
    net.op[1].arg[1].i = 0
    model = convert(net, init, 9)
    pads = [list(a.ints) for node in model.graph.node for a in node.attribute if a.name == "pads"]
    assert pads == [[1] * 4, [0] * 4, [1] * 4, [1] * 4]
    assert [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim] == [1, 4, 4, 4]
