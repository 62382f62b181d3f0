"""Fill operators inside a net, and Cast."""

from math import prod

import numpy as np
from onnx import TensorProto

from zoosmith.convert.fill_operators import DTYPES, FILLS, LARGEST_FILL, constant_value
from zoosmith.convert.graph import ELEMENT_TYPES
from zoosmith.convert.onnx_operators import cast, shape_of
from zoosmith.convert.operator import Operator
from zoosmith.convert.proto.caffe2_pb2 import TensorProto as Caffe2Tensor
from zoosmith.convert.registry import translator


@translator(*(kind for kind in FILLS if kind != "ConstantFill"), inputs=(0, 1))
def given_fill(op: Operator) -> None:
    """A constant."""
    if op.inputs:
        op.refuse("it takes its shape from an input")
    op.bind(0, op.constant_tensor(FILLS[op.type](op.definition, {})))


@translator("ConstantFill", inputs=(0, 1, 2))
def constant_fill(op: Operator) -> None:
    """One value everywhere, in the shape of an argument, of another blob, or that another blob holds."""
    if not op.inputs:
        op.bind(0, op.constant_tensor(FILLS["ConstantFill"](op.definition, {})))
        return
    if op.has("shape"):
        op.refuse("it has an input and an argument shape")
    if len(op.inputs) > 1:
        op.refuse("its value is an input")
    dtype, value = constant_value(op.definition)
    x = op.inputs[0]
    extra = op.integers("extra_shape")
    if op.flag("input_as_shape"):
        shape = cast(op, x, TensorProto.INT64)
        sizes = None if x.constant is None else x.constant.array()
        if sizes is not None and sizes.ndim != 1:
            op.refuse(f"its shape is a tensor of {sizes.ndim} dimensions, expected 1")
        known = None if sizes is None else sizes.tolist()
    else:
        shape = shape_of(op, x)
        known = shape.constant.array().tolist() if shape.constant is not None else None
    if any(size < 0 for size in [*extra, *(known or [])]):
        op.refuse(f"the shape {[*(known or []), *extra]} has a negative size")
    if known is not None:
        if prod([*known, *extra]) * dtype.itemsize > LARGEST_FILL:
            op.refuse(f"the shape {[*known, *extra]} takes more than {LARGEST_FILL:,} bytes of one number")
        op.bind(0, op.constant(np.full([*known, *extra], value, dtype)))
        return
    op.require(9, "ONNX has had ConstantOfShape since then")
    if extra:
        shape = op.emit("Concat", shape, op.int64s(*extra), axis=0)
    op.emit("ConstantOfShape", shape, to=0, value=np.full(1, value, dtype))


@translator("Cast")
def cast_elements(op: Operator) -> None:
    """Cast to a type given as Caffe2's number or as its name."""
    target = op.argument("to")
    if target is None:
        op.refuse("it has no argument to")
    name = target.s.decode(errors="replace").upper() if target.HasField("s") else ""
    code = dict(Caffe2Tensor.DataType.items()).get(name, target.i)
    dtype = DTYPES.get(code)
    if dtype is None:
        op.refuse(f"argument to={name or code}, which is no type of numbers")
    cast(op, op.inputs[0], ELEMENT_TYPES[dtype], to=0)


@translator("Range", since=11, inputs=(1, 2, 3))
def number_range(op: Operator) -> None:
    """Range from a start, 0 by default, up to a stop, by a step, 1 by default."""
    bounds = op.inputs
    start, stop, step = {1: [None, bounds[0], None], 2: [*bounds, None]}.get(len(bounds), bounds)
    assert stop is not None
    dtype = op.constant_type(stop)
    start, one = start or op.constant(np.array(0, dtype)), op.constant(np.array(1, dtype))
    if dtype.kind == "i" and step is not None and not (step.constant is not None and step.constant.array().item() > 0):
        # Caffe2 rounds the count of a falling range of integers down
        count = op.emit("Div", op.emit("Sub", start, stop), op.emit("Neg", step))
        falling = op.emit("Less", step, op.constant(np.array(0, dtype)))
        stop = op.emit("Where", falling, op.emit("Add", start, op.emit("Mul", step, count)), stop)
    bounds = [start, stop, step or one]
    op.emit("Range", *(op.emit("Reshape", bound, op.constant(np.zeros(0, np.int64))) for bound in bounds), to=0)
