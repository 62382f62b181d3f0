"""Names in messages: text in UTF-8, however a message is checked."""

import pytest
from google.protobuf.message import Message
from onnx import ModelProto

from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef
from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.message_text import check_message


def model() -> ModelProto:
    made = ModelProto(ir_version=8, producer_name="NAME")
    made.graph.node.add(op_type="Relu", input=["x", "größe"], output=["y"])
    made.graph.initializer.add(name="w", raw_data=b"\xff\xfe", string_data=[b"\xff"])
    return made


def net() -> NetDef:
    argument = Argument(name="values", s=b"\xff", strings=[b"\xff"])
    return NetDef(name="NAME", op=[OperatorDef(type="Relu", input=["x"], output=["größe"], arg=[argument])])


@pytest.mark.parametrize("made", [model(), net()], ids=["model", "net"])
@pytest.mark.parametrize("parsed", [True, False])
def test_bytes_are_refused_where_text_belongs_and_nowhere_else(made: Message, parsed: bool) -> None:
    content = made.SerializeToString()
    check_message(made, content if parsed else None)
    for place in (b"NAME", b"Relu", "größe".encode()):
        broken = content.replace(place, b"\xff" * len(place))
        with pytest.raises(ModelError, match=r"in the field \w+ is no text in UTF-8"):
            check_message(type(made).FromString(broken), broken if parsed else None)


def test_a_number_that_no_list_of_choices_has_is_left_to_others() -> None:
    made = model()
    made.graph.initializer[0].data_type = 99
    check_message(made, made.SerializeToString())
