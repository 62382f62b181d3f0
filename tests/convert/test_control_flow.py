"""`If`: the blobs that its nets find and leave become inputs and outputs of one ONNX operator."""

import numpy as np
import onnx
import pytest

from tests.validation.caffe2_nets import net_of
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import OnnxRuntimeRunner, ValidationError, interpret

BOXES = {"boxes": (onnx.TensorProto.FLOAT, ["n", 4])}


def detection_tail(then_net: NetDef, else_net: NetDef) -> NetDef:
    """A net that does one thing where there are boxes and another where there are none, as mask_rcnn_2go ends."""
    net = net_of(
        ("ConstantFill", "", "out", {"shape": [1], "value": 7.0}),
        ("IsEmpty", "boxes", "none"),
        inputs="boxes",
        outputs="out",
    )
    op = net.op.add(type="If", input=["none"])
    op.arg.add(name="then_net").n.CopyFrom(then_net)
    op.arg.add(name="else_net").n.CopyFrom(else_net)
    return net


HEAD = net_of(("Sqr", "boxes", "t"), ("Relu", "t", "out"), inputs="boxes", outputs="out")
NOTHING = NetDef(name="nothing")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_branch_without_operators_leaves_the_earlier_value(count: int):
    net = detection_tail(NOTHING, HEAD)
    data = {"boxes": np.arange(4 * count, dtype=np.float32).reshape(count, 4) - 2}
    model = caffe2_to_onnx(net, None, inputs=BOXES, opset=None, names="caffe2")
    onnx.checker.check_model(model, full_check=True)
    (expected,) = interpret(net, None, data).values()
    (found,) = OnnxRuntimeRunner(model).run(data).values()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.shape == ((count, 4) if count else (1,))


def test_a_condition_that_is_known_leaves_one_branch_and_no_if():
    model = caffe2_to_onnx(detection_tail(NOTHING, HEAD), None, inputs={"boxes": (1, [2, 4])}, opset=9)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Relu", "Identity"]
    assert [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim] == [2, 4]


def test_an_if_inside_of_an_if_is_translated():
    net = detection_tail(NOTHING, detection_tail(HEAD, net_of(("Negative", "boxes", "out"), inputs="boxes")))
    inner = net.op[-1].arg[1].n
    del inner.op[0]
    data = {"boxes": np.float32([[1, 2, 3, 4]])}
    model = caffe2_to_onnx(net, None, inputs=BOXES, opset=None)
    (found,) = OnnxRuntimeRunner(model).run({"boxes_0": data["boxes"]}).values()
    np.testing.assert_array_equal(found, -data["boxes"])
    np.testing.assert_array_equal(interpret(net, None, data)["out"], -data["boxes"])


def test_below_opset_11_both_branches_must_make_one_shape():
    with pytest.raises(ConvertError, match=r"opset 9 cannot express If \(opset 11: below it both branches"):
        caffe2_to_onnx(detection_tail(NOTHING, HEAD), None, inputs=BOXES, opset=9)


def test_a_blob_that_only_one_branch_writes_is_refused():
    net = detection_tail(NOTHING, HEAD)
    del net.op[0]
    with pytest.raises(ConvertError, match="'out', which nothing has written before"):
        caffe2_to_onnx(net, None, inputs=BOXES, opset=None)
    assert interpret(net, None, {"boxes": np.ones((1, 4), np.float32)})["out"].shape == (1, 4)


def test_branches_of_different_types_are_refused():
    other = net_of(("ConstantFill", "", "out", {"shape": [1], "value": 1}), outputs="out")
    with pytest.raises(ConvertError, match="two element types"):
        caffe2_to_onnx(detection_tail(other, HEAD), None, inputs=BOXES, opset=None)


def test_a_branch_that_writes_shared_memory_is_refused():
    net = detection_tail(NOTHING, HEAD)
    net.op.insert(1, net_of(("Alias", "out", "other")).op[0])
    with pytest.raises(ConvertError, match="shares memory"):
        caffe2_to_onnx(net, None, inputs=BOXES, opset=None)


def test_an_unknown_operator_of_a_branch_is_named():
    net = detection_tail(NOTHING, net_of(("Mystery", "boxes", "out"), inputs="boxes"))
    with pytest.raises(ConvertError, match="Mystery"):
        caffe2_to_onnx(net, None, inputs=BOXES, opset=None)
    with pytest.raises(ValidationError, match="Mystery"):
        interpret(net, None, {"boxes": np.ones((1, 4), np.float32)})
