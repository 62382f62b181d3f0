"""The schema of Caffe2's nets and the module made from it."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from zoosmith.convert import ConvertError, read_net, write_net
from zoosmith.convert.proto import caffe2_pb2
from zoosmith.convert.proto.caffe2_pb2 import NetDef

FOLDER = Path(caffe2_pb2.__file__).parent


def small_net() -> NetDef:
    net = NetDef(name="n", external_input=["x"], external_output=["y"])
    op = net.op.add(type="Clip", input=["x"], output=["y"], engine="")
    op.device_option.SetInParent()
    op.arg.add(name="min", f=0.1)
    op.arg.add(name="axes", ints=[1, -2])
    op.arg.add(name="s", s=b"\xff\x00")
    return net


def test_the_checked_in_module_is_what_the_schema_generates(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools, which holds protoc, is not installed")
    made = tmp_path / "descriptors"
    # a module's text carries protoc's version, its descriptors do not
    assert protoc.main(["protoc", f"-I{FOLDER}", f"--descriptor_set_out={made}", "caffe2.proto"]) == 0
    (expected,) = FileDescriptorSet.FromString(made.read_bytes()).file
    found = FileDescriptorProto()
    caffe2_pb2.DESCRIPTOR.CopyToProto(found)
    for descriptor in (expected, found):
        descriptor.ClearField("name")
        for message in descriptor.message_type:
            for field in message.field:
                field.ClearField("json_name")
    assert found == expected


def test_the_type_stub_names_every_field_of_the_schema() -> None:
    stub = (FOLDER / "caffe2_pb2.pyi").read_text()
    for name, message in caffe2_pb2.DESCRIPTOR.message_types_by_name.items():
        slots = ", ".join(f'"{field.name}"' for field in message.fields)
        assert f"class {name}(_message.Message):\n    __slots__ = ({slots})" in stub


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
    with pytest.raises(ConvertError, match=r"net\.pbtxt: expected a Caffe2 NetDef in protobuf text format"):
        read_net(file)
