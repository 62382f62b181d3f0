"""The schemas of Caffe2's and Caffe's nets and the modules made from them."""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from zoosmith.convert import ConvertError, read_net, write_net
from zoosmith.convert.proto import caffe2_pb2, caffe_net_pb2
from zoosmith.convert.proto.caffe2_pb2 import NetDef

FOLDER = Path(caffe2_pb2.__file__).parent
MODULES = {"caffe2": caffe2_pb2, "caffe_net": caffe_net_pb2}


def small_net() -> NetDef:
    net = NetDef(name="n", external_input=["x"], external_output=["y"])
    op = net.op.add(type="Clip", input=["x"], output=["y"], engine="")
    op.device_option.SetInParent()
    op.arg.add(name="min", f=0.1)
    op.arg.add(name="axes", ints=[1, -2])
    op.arg.add(name="s", s=b"\xff\x00")
    return net


@pytest.mark.parametrize("schema", MODULES)
def test_the_checked_in_module_is_what_the_schema_generates(tmp_path: Path, schema: str) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools, which holds protoc, is not installed")
    made = tmp_path / "descriptors"
    # a module's text carries protoc's version, its descriptors do not
    assert protoc.main(["protoc", f"-I{FOLDER}", f"--descriptor_set_out={made}", f"{schema}.proto"]) == 0
    (expected,) = FileDescriptorSet.FromString(made.read_bytes()).file
    found = FileDescriptorProto()
    MODULES[schema].DESCRIPTOR.CopyToProto(found)
    for descriptor in (expected, found):
        descriptor.ClearField("name")
        for message in descriptor.message_type:
            for part in (message, *message.nested_type):
                for field in part.field:
                    field.ClearField("json_name")
                    if field.type == field.TYPE_FLOAT and field.default_value:
                        field.default_value = str(np.float32(field.default_value))
    assert found == expected


@pytest.mark.parametrize("schema", MODULES)
def test_the_type_stub_names_every_field_of_the_schema(schema: str) -> None:
    stub = (FOLDER / f"{schema}_pb2.pyi").read_text()
    for name, message in MODULES[schema].DESCRIPTOR.message_types_by_name.items():
        slots = str(tuple(field.name for field in message.fields)).replace("'", '"')
        assert f"class {name}(_message.Message):\n    __slots__ = {slots}" in stub


@pytest.mark.parametrize(("suffix", "text"), [("pb", False), ("pbtxt", True), ("prototxt", True)])
def test_a_net_comes_back_from_a_file_as_it_was(tmp_path: Path, suffix: str, text: bool) -> None:
    file = tmp_path / f"net.{suffix}"
    file.write_bytes(write_net(small_net(), text=text))
    assert read_net(file) == small_net()


def test_presence_survives_the_round_trip() -> None:
    op = read_net(write_net(small_net())).op[0]
    assert op.HasField("engine")
    assert op.HasField("device_option")
    assert not op.HasField("name")


def test_fields_that_the_schema_leaves_out_are_kept() -> None:
    unknown = b"\xa2\x06\x03abc"  # field 100 of the net
    assert write_net(read_net(write_net(small_net()) + unknown)).endswith(unknown)


@pytest.mark.parametrize("content", [b"", b"\x0a\x05ab", b"\x12\x03\xff\xff\xff", b"plain text, no net"])
def test_what_is_no_net_is_refused_by_the_file_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "net.pb"
    file.write_bytes(content)
    with pytest.raises(ConvertError, match=r"net\.pb: expected a (binary )?Caffe2 NetDef"):
        read_net(file)


def test_text_that_is_no_net_is_refused_by_the_file_name(tmp_path: Path) -> None:
    file = tmp_path / "net.pbtxt"
    file.write_text("op { tpye: 'Relu' }")
    with pytest.raises(ConvertError, match=r"net\.pbtxt: expected a Caffe2 NetDef"):
        read_net(file)
