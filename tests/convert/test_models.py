"""Every form in which people hold nets and parameters is told by content, read, and refused where it is damaged."""

from pathlib import Path

import numpy as np
import pytest

from tests.convert.saved_files import meta_net, minidb, part, record, save_with_caffe2, tensor
from tests.convert.test_translation import filled, net_of
from zoosmith.convert import ConvertError, Form, caffe2_to_onnx, read_model, read_parameters, write_net
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.forms import form_of, form_of_file
from zoosmith.convert.init_nets import init_net_of
from zoosmith.convert.models import read_saved
from zoosmith.convert.proto.caffe2_pb2 import BlobProto, MetaNetDef, NetDef, TensorProto, TensorProtos
from zoosmith.convert.proto.caffe_net_pb2 import NetParameter
from zoosmith.validation import compare, interpret

NET = net_of(("FC", "data w b", "y"), inputs="data w b", outputs="y")
PARAMETERS = {"w": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.float32([1, 2, 3])}
META = meta_net(NET, {"data": (2, 4)}, PARAMETERS)
TENSORS = TensorProtos(protos=[tensor(name, array) for name, array in PARAMETERS.items()])
X = np.float32([[1, 0, 2, 0], [0, 1, 0, -1]])
EXPECTED = {"y": X @ PARAMETERS["w"].T + PARAMETERS["b"]}


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (write_net(NET), Form.NET),
        (write_net(NET, text=True), Form.NET),
        (write_net(filled(**PARAMETERS)), Form.NET),
        (META.SerializeToString(), Form.META_NET),
        (str(META).encode(), Form.META_NET),
        (TENSORS.SerializeToString(), Form.TENSORS),
        (str(TENSORS).encode(), Form.TENSORS),
        (minidb(PARAMETERS), Form.MINIDB),
        (minidb(PARAMETERS, META), Form.MINIDB),
        (b'name: "n" # layer { }\nlayer { name: "op" type: "ReLU" }', Form.CAFFE_NET),
        (b'input: "data" input_dim: 1', Form.CAFFE_NET),
        (b'name: "layer {" op { type: "Relu" }', Form.NET),
        (NetParameter(name="n", layer=[{"name": "a"}]).SerializeToString(), Form.CAFFE_MODEL),
        (
            NetParameter(name="n", layers=[{"name": "a", "type": 18}]).SerializeToString(),
            Form.CAFFE_MODEL,
        ),
        (b"", Form.NET),
        (b"\xff\xff\xff\xff\x00", Form.NET),
    ],
)
def test_a_form_is_told_by_content(content: bytes, form: Form, tmp_path: Path) -> None:
    assert form_of(memoryview(content)) is form
    (tmp_path / "file.onnx").write_bytes(content)
    assert form_of_file(tmp_path / "file.onnx") is form


@pytest.mark.parametrize(
    ("net", "parameters"),
    [
        (NET, filled(**PARAMETERS)),
        (write_net(NET), TENSORS.SerializeToString()),
        (write_net(NET, text=True), str(TENSORS).encode()),
        (write_net(NET), minidb(PARAMETERS)),
        (write_net(NET), minidb(PARAMETERS, META)),
        (minidb(PARAMETERS, META), None),
        (minidb(PARAMETERS, meta_net(NET, {"data": (2, 4)}, PARAMETERS, "_name")), None),
        (META.SerializeToString(), TENSORS.SerializeToString()),
        (str(META).encode(), write_net(filled(**PARAMETERS))),
    ],
)
def test_a_net_computes_the_same_from_every_form(net: NetDef | bytes, parameters: NetDef | bytes | None) -> None:
    model = read_model(net, parameters)
    assert compare(EXPECTED, interpret(model.net, model.init, {"data": X})).passed
    assert caffe2_to_onnx(model.net, model.init, inputs={"data": (1, [2, 4])}).graph.output[0].name == "y_1"


@pytest.mark.parametrize(
    "content",
    [write_net(filled(**PARAMETERS)), TENSORS.SerializeToString(), minidb(PARAMETERS), minidb(PARAMETERS, META)],
)
def test_parameters_are_the_same_arrays_from_every_form(content: bytes) -> None:
    found = read_parameters(content)
    assert list(found) == list(PARAMETERS)
    for name, array in PARAMETERS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_an_export_states_the_shapes_of_its_inputs() -> None:
    assert read_model(minidb(PARAMETERS, META)).inputs == {"data": (1, (2, 4))}
    assert read_model(write_net(NET)).inputs == {}


def test_operators_that_set_up_an_export_stay_but_for_room_for_inputs() -> None:
    meta = MetaNetDef.FromString(META.SerializeToString())
    meta.nets[1].value.op.add(type="Copy", input=["w"], output=["v"])
    model = read_model(minidb(PARAMETERS, meta))
    assert model.init is not None
    assert [op.type for op in NetDef.FromString(model.init if isinstance(model.init, bytes) else b"").op] == [
        "GivenTensorFill",
        "GivenTensorFill",
        "Copy",
    ]


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i1", "u1", "i2", "u2", "i4", "i8", "?"])
def test_an_init_net_fills_tensors_of_every_type(dtype: str) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    net = net_of(("Copy", "a", "y"), inputs="a", outputs="y")
    found = interpret(net, init_net_of({"a": Tensor.of(array)}), {})["y"]
    np.testing.assert_array_equal(found, array)


def test_doubles_that_no_fill_can_hold_are_refused() -> None:
    with pytest.raises(ConvertError, match="float64 values that are no float32"):
        init_net_of({"a": Tensor.of(np.array([0.1]))})


def damaged(**changes: object) -> bytes:
    saved = part("w", PARAMETERS["w"], 0, 12)
    for name, value in changes.items():
        setattr(saved.tensor, name, value)
    return record("w", saved.SerializeToString())


def resized(*dims: int) -> bytes:
    saved = part("w", PARAMETERS["w"], 0, 12)
    del saved.tensor.dims[:]
    saved.tensor.dims.extend(dims)
    return record("w", saved.SerializeToString())


def segments(*spans: tuple[int, int]) -> bytes:
    parts = [part("w", PARAMETERS["w"], *span).SerializeToString() for span in spans]
    return b"".join(record(f"w#%{number}", value) for number, value in enumerate(parts))


WHOLE = minidb(PARAMETERS)
HOSTILE = {
    "a record that is cut off": (WHOLE[:-3], "needs 3 bytes more"),
    "the lengths of a record cut off": (WHOLE + b"\1\0\0", "is cut off"),
    "a key of negative length": (WHOLE + b"\xff\xff\xff\xff\4\0\0\0abcd", "states lengths of -1 and 4"),
    "a value of two gigabytes": (WHOLE + b"\1\0\0\0\xff\xff\xff\x7fk", "bytes more"),
    "sizes beyond all memory": (resized(2**40, 2**40), "is larger than any memory"),
    "a negative size": (resized(-3, -4), "has a negative size"),
    "a part that is missing": (segments((0, 5), (7, 12)), "lacks a part: elements 5 and 7 of 12"),
    "a part at the end that is missing": (segments((0, 5)), "lacks a part: 5 of 12"),
    "a part that is there twice": (segments((0, 5), (0, 5), (5, 12)), "is there twice"),
    "floats kept as bfloat16": (damaged(data_format=1), "type bfloat16"),
    "strings": (damaged(data_type=TensorProto.STRING), "type STRING"),
    "elements of another type": (damaged(data_type=TensorProto.INT32), "stored as float32, expected int32"),
    "a blob that is no tensor": (record("q", BlobProto(name="q", type="Q").SerializeToString()), "holds 'Q', expected"),
    "a value that is no message": (WHOLE + record("k", b"\x0f"), "wire type 7"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_database_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    content, reason = HOSTILE[name]
    (tmp_path / "w.minidb").write_bytes(content)
    with pytest.raises(ConvertError) as error:
        read_model(NET, tmp_path / "w.minidb")
    assert reason in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'w.minidb'}: expected a Caffe2 minidb: ")
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def with_values(values: list[int], **fields: object) -> bytes:
    saved = TensorProto(name="w", dims=[len(values)], int32_data=values, **fields)
    return TensorProtos(protos=[saved]).SerializeToString()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TENSORS.SerializeToString()[:-2], "more than there are"),
        (with_values([300], data_type=TensorProto.UINT8), "numbers beyond its type, uint8"),
        (with_values([2], data_type=TensorProto.BOOL), "numbers beyond its type, bool"),
        (TENSORS.SerializeToString() + TENSORS.SerializeToString(), "is there twice"),
        (TENSORS.SerializeToString() + b"\x0a\x02\x08\x00", "has no name"),
    ],
)
def test_damaged_tensors_are_refused_in_a_line(content: bytes, reason: str) -> None:
    with pytest.raises(ConvertError, match=reason):
        read_model(NET, content)


def without(key: str) -> MetaNetDef:
    meta = MetaNetDef.FromString(META.SerializeToString())
    kept = [entry for entry in meta.nets if entry.key != key]
    del meta.nets[:]
    meta.nets.extend(kept)
    return meta


@pytest.mark.parametrize(
    ("net", "parameters", "reason"),
    [
        (META.SerializeToString(), None, "load 'w' and 1 more, which it does not hold; give the file that holds them"),
        (minidb({"w": PARAMETERS["w"]}, META), None, "load 'b', which it does not hold; it is not complete"),
        (minidb(PARAMETERS, without("PREDICT_NET_TYPE")), None, "expected one PREDICT_NET_TYPE .* found none"),
        (minidb(PARAMETERS), None, "without a MetaNetDef holds parameters; give the net before it"),
        (TENSORS.SerializeToString(), None, "holds parameters; give the net before it"),
        (write_net(NET), META.SerializeToString(), "MetaNetDef is no file of parameters; give it as the net"),
        (write_net(NET), b'layer { name: "a" }', "Caffe net is no file of parameters"),
        (b'layer { name: "a" }', None, "give the .caffemodel after it"),
        (b'layer { name: "a" }', write_net(NET), "expected the .caffemodel of a Caffe net, found a Caffe2 net"),
        (NetParameter(layer=[{"name": "a"}]).SerializeToString(), None, "give its .prototxt before it"),
        (b"SQLite format 3\0" + bytes(100), None, "an SQLite database; a minidb, which .* is none"),
    ],
)
def test_files_that_do_not_belong_together_say_what_to_give(net: bytes, parameters: bytes | None, reason: str) -> None:
    with pytest.raises(ConvertError, match=reason):
        read_model(net, parameters)


def test_text_that_does_not_parse_shows_no_values() -> None:
    content = b"protos { float_data: [0.123456, 0.234567, nonsense] }"
    with pytest.raises(ConvertError, match=r"line 1, column 4\d: ") as error:
        read_model(NET, content)
    assert "0.123456" not in str(error.value)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "net.pb")
    with pytest.raises(ConvertError, match="not a regular file"):
        read_model(tmp_path / "net.pb")


@pytest.fixture(scope="module")
def saved(caffe2_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_with_caffe2(caffe2_environment, folder)
    return folder


@pytest.mark.caffe2
@pytest.mark.parametrize(
    "files",
    [
        ("export.minidb",),
        ("meta.pb", "parameters.minidb"),
        ("meta.pb", "export.minidb"),
        ("net.pb", "parameters.minidb"),
        ("net.pb", "tensors.pb"),
        ("net.pb", "tensors.pbtxt"),
        ("mobile_predict.pb", "mobile_init.pb"),
    ],
)
def test_what_the_real_caffe2_saves_computes_what_it_computed(files: tuple[str, ...], saved: Path) -> None:
    model = read_model(*(saved / file for file in files))
    with np.load(saved / "io.npz") as arrays:
        x, y = arrays["x"], arrays["y"]
    inputs = model.inputs or {"data": (1, x.shape)}
    assert inputs == {"data": (1, x.shape)}
    onnx_model = caffe2_to_onnx(model.net, model.init, inputs=inputs)
    assert [value.name for value in onnx_model.graph.output] == ["prob_1"]
    assert compare({"prob": y}, interpret(model.net, model.init, {"data": x}, outputs=["prob"])).passed


@pytest.mark.caffe2
def test_the_data_of_a_mobile_export_is_asked_for(saved: Path) -> None:
    model = read_model(saved / "mobile_predict.pb", saved / "mobile_init.pb")
    with pytest.raises(ConvertError, match=r"fills 'data' with one zero of shape \[1, 1\] .*`inputs` data="):
        caffe2_to_onnx(model.net, model.init, inputs={})


@pytest.mark.caffe2
def test_tensors_of_every_type_are_read_as_the_real_caffe2_saved_them(saved: Path) -> None:
    _, tensors = read_saved(saved / "kinds.minidb", Form.MINIDB)
    with np.load(saved / "kinds.npz") as expected:
        assert tensors.keys() == set(expected.files)
        for name in expected.files:
            np.testing.assert_array_equal(tensors[name].array(), expected[name], strict=True)


@pytest.mark.caffe2
def test_large_tensors_are_put_together_from_the_parts_that_the_real_caffe2_saved(saved: Path) -> None:
    # Caffe2 saves a million elements at a time
    found = read_parameters(read_model(saved / "export.minidb").init or b"")
    expected = read_parameters(read_model(saved / "net.pb", saved / "tensors.pb").init or b"")
    assert max(array.size for array in found.values()) > 1_000_000
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
