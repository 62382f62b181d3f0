"""Parameters read from an init net's bytes, friendly and hostile."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zoosmith.convert import ConvertError, read_parameters, write_net
from zoosmith.convert.parameters import read_init_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef, TensorProto


def init_net(**arrays: np.ndarray) -> NetDef:
    kinds = {"f": "GivenTensorFill", "b": "GivenTensorBoolFill", "d": "GivenTensorDoubleFill"}
    net = NetDef(name="init")
    for name, array in arrays.items():
        kind = kinds["d" if array.dtype == np.float64 else array.dtype.kind] if array.dtype.kind in "fb" else None
        kind = kind or {2: "GivenTensorInt16Fill", 4: "GivenTensorIntFill", 8: "GivenTensorInt64Fill"}[array.itemsize]
        op = net.op.add(type=kind, output=[name], name="")
        field = "floats" if array.dtype.kind == "f" else "ints"
        op.arg.add(
            name="values",
            **{field: [int(value) if value is True or value is False else value for value in array.ravel().tolist()]},
        )
        op.arg.add(name="shape", ints=array.shape)
    return net


def varint(value: int) -> bytes:
    digits = b""
    while value > 0x7F:
        digits += bytes([value & 0x7F | 0x80])
        value >>= 7
    return digits + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def fill(values: bytes, shape: int) -> bytes:
    """An init net whose argument `values` holds these bytes after its name."""
    argument = field(1, b"values") + values
    shape_argument = field(1, b"shape") + b"\x30" + varint(shape)
    op = field(2, b"w") + field(4, b"GivenTensorFill") + field(5, argument) + field(5, shape_argument)
    return field(1, b"init") + field(2, op)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.int32, np.int64, np.int16, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
    )
)
def test_what_is_filled_comes_back_with_type_and_shape(array: np.ndarray) -> None:
    read = read_parameters(init_net(w=array))["w"]
    assert read.dtype == array.dtype
    assert read.shape == array.shape
    assert read.tobytes() == array.tobytes() or np.isnan(array).any()


@given(st.lists(st.floats(width=32), min_size=1, max_size=500), st.integers(1, 499))
def test_packed_unpacked_and_mixed_floats_are_the_same(values: list[float], cut: int) -> None:
    words = [struct.pack("<f", value) for value in values]
    unpacked = b"".join(b"\x2d" + word for word in words)
    packed = field(5, b"".join(words))
    mixed = b"".join(b"\x2d" + word for word in words[:cut]) + (field(5, b"".join(words[cut:])) if words[cut:] else b"")
    read = [read_parameters(fill(content, len(values)))["w"].tobytes() for content in (unpacked, packed, mixed)]
    assert read == [b"".join(words)] * 3


def test_the_order_of_the_net_is_kept_and_arrays_are_read_only() -> None:
    read = read_parameters(init_net(b=np.zeros(3, np.float32), a=np.ones((2, 2), np.float32)))
    assert list(read) == ["b", "a"]
    assert not read["a"].flags.writeable


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ({"f": 1.5}, None, np.float32(1.5)),
        ({"i": 3}, None, np.int64(3)),
        ({"i": 3}, TensorProto.INT32, np.int32(3)),
        ({"i": 1}, TensorProto.BOOL, np.bool_(True)),
        (None, None, np.float32(0)),
    ],
)
def test_constant_fill_takes_its_type_from_its_value_or_dtype(
    value: dict | None, dtype: int | None, expected: np.generic
) -> None:
    net = NetDef(name="init")
    op = net.op.add(type="ConstantFill", output=["w"])
    op.arg.add(name="shape", ints=[2, 3])
    if value is not None:
        op.arg.add(name="value", **value)
    if dtype is not None:
        op.arg.add(name="dtype", i=dtype)
    read = read_parameters(net)["w"]
    assert read.dtype == expected.dtype
    assert np.array_equal(read, np.full((2, 3), expected))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (fill(b"\x2d\x00\x00", 1), "cut off|damaged"),
        (fill(field(5, b"\x00" * 600 + b"\x01"), 150), "no multiple of 4"),
        (fill(b"\x2d\x00\x00\x00\x00" * 200, 201), r"shape \[201\] needs 201 values, found 200"),
        (fill(b"\x2d\x00\x00\x00\x00" * 200, 2**62), "is larger than any memory"),
        (field(1, b"init") + b"\x12" + varint(2**40), "truncated"),
        (field(1, b"init") + b"\x12" + b"\xff" * 11, "no end"),
        (field(1, b"init") + b"\x13", "wire type 3"),
        (field(1, b"init") + b"\x02\x00", "field number 0"),
        (b"\x08\x03" + field(2, b"producer"), "not a NetDef's"),
    ],
)
def test_hostile_files_get_one_line_that_names_them(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "init_net.pb"
    file.write_bytes(content)
    with pytest.raises(ConvertError, match=rf"init_net\.pb: expected a Caffe2 init net: .*({says})") as caught:
        read_parameters(file)
    assert "\n" not in str(caught.value)


def test_a_constant_larger_than_any_file_is_refused_before_it_is_made() -> None:
    net = NetDef(name="init")
    net.op.add(type="ConstantFill", output=["w"]).arg.add(name="shape", ints=[2**40])
    with pytest.raises(ConvertError, match="at most 536,870,912 are made of one number"):
        read_parameters(net)


WHOLE = write_net(init_net(w=np.arange(300, dtype=np.float32).reshape(3, 100), n=np.arange(9, dtype=np.int64)))


@given(st.integers(0, len(WHOLE) - 1))
def test_a_truncated_file_is_refused_or_read_as_the_operators_before_the_cut(length: int) -> None:
    try:
        read = read_parameters(WHOLE[:length])
    except ConvertError:
        return
    assert set(read) < {"w", "n"}


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_changed_byte_never_gives_anything_but_arrays_or_a_clear_error(place: int, byte: int) -> None:
    try:
        read = read_parameters(WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :])
    except ConvertError as error:
        assert "\n" not in str(error)
        return
    assert all(isinstance(array, np.ndarray) for array in read.values())


def test_operators_that_are_no_fills_are_handed_on_whole() -> None:
    net = init_net(w=np.zeros(200, np.float32))
    copied = net.op.add(type="Scale", input=["w"], output=["v"])
    copied.arg.add(name="many", floats=[0.5] * 200)
    content = read_init_net(net)
    assert list(content.parameters) == ["w"]
    assert content.rest == [copied]
    with pytest.raises(ConvertError, match="expected constant fill operators only, found 'Scale'"):
        read_parameters(net)
