"""Caffe2 nets and their parameters, in binary and in text."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from tests.attacks.attack import ANY, add_files
from tests.attacks.model_building import field
from tests.attacks.models import BYTES
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef

HUGE = (2**31, 2**40, 2**62, 2**63 - 1)


def argument(name: str, value: Any) -> Argument:
    if isinstance(value, bytes):
        return Argument(name=name, s=value)
    if isinstance(value, float):
        return Argument(name=name, f=value)
    if isinstance(value, list):
        floats = any(isinstance(each, float) for each in value)
        return Argument(name=name, floats=value) if floats else Argument(name=name, ints=value)
    return Argument(name=name, i=value)


def op(kind: str, inputs: Sequence[str] = ("x",), outputs: Sequence[str] = ("y",), **arguments: Any) -> OperatorDef:
    made = [argument(name, value) for name, value in arguments.items()]
    return OperatorDef(type=kind, input=inputs, output=outputs, arg=made)


def net(*ops: OperatorDef, inputs: Iterable[str] = ("x",), outputs: Iterable[str] = ("y",), name: str = "n") -> bytes:
    made = NetDef(name=name, op=ops, external_input=inputs, external_output=outputs)
    return made.SerializeToString(deterministic=True)


def fill(kind: str = "GivenTensorFill", **arguments: Any) -> bytes:
    return net(op(kind, [], ["w"], **arguments), inputs=[], outputs=[], name="i")


def filled(*ops: OperatorDef) -> bytes:
    """A net that makes one of its own values, in one file."""
    return net(*ops, op("Add", ["x", "w"]))


def with_bytes(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content and len(old) == len(new)
    return content.replace(old, new)


def nested_text(depth: int) -> bytes:
    return b'name: "n"\n' + b"op { arg { n { " * depth + b"} } }" * depth


def nested(depth: int) -> bytes:
    """Nets in arguments of operators, one in the other; put together by hand, as protobuf refuses the deepest."""
    content = NetDef(name="n", op=[op("Relu")]).SerializeToString()
    for _ in range(depth):
        inner = b"\x0a\x08then_net" + field(8, content)
        content = b"\x0a\x01n" + field(2, b"\x0a\x01x" + b"\x12\x01y" + b"\x22\x02If" + field(5, inner))
    return content


_FILTER = op("ConstantFill", [], ["w"], shape=[2, 3, 1, 1], value=1.0)
_FILL = fill(shape=[2, 3], values=[1.0] * 6)
_LONG_FILL = fill(shape=[400], values=[1.0] * 400)

NETS = {
    **{f"size_of_fill_{size}": filled(op("ConstantFill", [], ["w"], shape=[size], value=1.0)) for size in HUGE},
    "fill_of_2_gib": filled(op("ConstantFill", [], ["w"], shape=[2**29 - 1], value=1.0)),
    "fill_negative": filled(op("ConstantFill", [], ["w"], shape=[-2, -3], value=1.0)),
    "fill_of_65_dimensions": filled(op("ConstantFill", [], ["w"], shape=[1] * 65, value=1.0)),
    "fill_of_unknown_type": filled(op("ConstantFill", [], ["w"], shape=[2, 3], value=1.0, dtype=77)),
    "uniform_of_2_40": filled(op("UniformFill", [], ["w"], shape=[2**40], min=0.0, max=1.0)),
    "uniform_of_2_31": filled(op("XavierFill", [], ["w"], shape=[2**31])),
    "given_short": filled(op("GivenTensorFill", [], ["w"], shape=[2, 3], values=[1.0])),
    "range_of_2_40": filled(op("Range", [], ["w"], stop=2**40)),
    "cycle": net(op("Add", ["x", "y"])),
    "cycle_of_two": net(op("Add", ["x", "b"], ["a"]), op("Relu", ["a"], ["b"]), op("Relu", ["b"])),
    "reads_what_nothing_makes": net(op("Add", ["x", "nothing"])),
    "output_that_nothing_makes": net(op("Relu"), outputs=["nothing"]),
    "no_operators": net(),
    "no_inputs": net(op("Relu"), inputs=[]),
    "operator_without_inputs": net(op("Relu", [])),
    "operator_without_outputs": net(op("Relu", ["x"], [])),
    "operator_with_9_inputs": net(op("Relu", ["x"] * 9)),
    "operator_with_9000_outputs": net(op("Split", ["x"], [f"y{k}" for k in range(9000)])),
    "unknown_operator": net(op("Nonsense")),
    "empty_type": net(op("")),
    "type_not_text": with_bytes(net(op("Relu")), b"Relu", b"\xff\xfe\xfd\xfc"),
    "blob_not_text": with_bytes(net(op("Relu", ["abcd"])), b"abcd", b"\xff\xfe\xfd\xfc"),
    "name_not_text": with_bytes(net(op("Relu"), name="name"), b"name", b"\xff\xfe\xfd\xfc"),
    "argument_not_text": with_bytes(net(op("Softmax", axis=1)), b"axis", b"a\xffis"),
    "input_not_text": with_bytes(net(op("Relu"), inputs=["x", "abcd"]), b"abcd", b"\xff\xfe\xfd\xfc"),
    "output_not_text": with_bytes(net(op("Relu"), outputs=["abcd"]), b"abcd", b"\xff\xfe\xfd\xfc"),
    "stride_0": net(op("MaxPool", kernel=2, stride=0)),
    "stride_negative": net(op("MaxPool", kernel=2, stride=-1)),
    "stride_huge": net(op("MaxPool", kernel=2, stride=2**62)),
    "kernel_0": net(op("MaxPool", kernel=0)),
    "kernel_negative": net(op("AveragePool", kernel=-3)),
    "kernel_huge": net(op("AveragePool", kernel=2**62, pad=2**62)),
    "kernels_of_one": net(op("MaxPool", kernels=[2])),
    "kernels_of_five": net(op("MaxPool", kernels=[2] * 5)),
    "pads_huge": net(op("MaxPool", kernel=2, pads=[2**62] * 4)),
    "pads_negative": net(op("MaxPool", kernel=2, pads=[-5] * 4)),
    "legacy_pad_99": net(op("MaxPool", kernel=2, legacy_pad=99)),
    "order_unknown": net(op("MaxPool", kernel=2, order=b"WHCN")),
    "order_not_text": net(op("MaxPool", kernel=2, order=b"\xff\xfe")),
    "kernel_as_text": net(op("MaxPool", kernel=b"two")),
    "kernel_as_float": net(op("MaxPool", kernel=2.5)),
    "kernel_as_list": net(op("MaxPool", kernel=[2, 2])),
    "axis_huge": net(op("Softmax", axis=2**62)),
    "axis_negative": net(op("Softmax", axis=-(2**62))),
    "concat_axis_huge": net(op("Concat", ["x", "x"], ["y", "s"], axis=2**40)),
    "concat_of_nothing": net(op("Concat", [], ["y", "s"])),
    "split_negative": net(op("Split", ["x"], ["y", "z"], split=[-1, 3], axis=1)),
    "split_huge": net(op("Split", ["x"], ["y", "z"], split=[2**62, 2**62], axis=1)),
    "reshape_huge": net(op("Reshape", ["x"], ["y", "s"], shape=[2**62, 2**62])),
    "reshape_negative": net(op("Reshape", ["x"], ["y", "s"], shape=[-2, -3])),
    "reshape_two_unknown": net(op("Reshape", ["x"], ["y", "s"], shape=[-1, -1])),
    "transpose_out_of_range": net(op("Transpose", axes=[7, 9])),
    "transpose_twice_0": net(op("Transpose", axes=[0, 0])),
    "slice_out_of_range": net(op("Slice", starts=[0, 99], ends=[2**40, -(2**40)])),
    "slice_short": net(op("Slice", starts=[0], ends=[1, 2, 3])),
    "tile_huge": net(op("Tile", tiles=2**40, axis=0)),
    "tile_negative": net(op("Tile", tiles=-1, axis=0)),
    "expand_dims_twice": net(op("ExpandDims", dims=[0, 0])),
    "expand_dims_huge": net(op("ExpandDims", dims=[2**40])),
    "squeeze_huge": net(op("Squeeze", dims=[2**40])),
    "cast_to_77": net(op("Cast", to=77)),
    "cast_to_nonsense": net(op("Cast", to=b"nonsense")),
    "lrn_size_0": net(op("LRN", ["x"], ["y", "s"], size=0, alpha=0.1, beta=0.5)),
    "lrn_size_huge": net(op("LRN", ["x"], ["y", "s"], size=2**40, alpha=0.1, beta=0.5)),
    "group_0": net(_FILTER, op("Conv", ["x", "w"], group=0, kernel=1)),
    "group_huge": net(_FILTER, op("Conv", ["x", "w"], group=2**40, kernel=1)),
    "conv_kernel_differs": net(_FILTER, op("Conv", ["x", "w"], kernel=7)),
    "channel_shuffle_0": net(op("ChannelShuffle", group=0)),
    "pad_image_huge": net(op("PadImage", pad=2**40)),
    "resize_huge": net(op("ResizeNearest", width_scale=1e30, height_scale=1e30)),
    "resize_nan": net(op("ResizeNearest", width_scale=float("nan"), height_scale=0.0)),
    "top_k_huge": net(op("TopK", ["x"], ["y", "i"], k=2**40)),
    "top_k_negative": net(op("TopK", ["x"], ["y", "i"], k=-1)),
    "one_hot_of_2_40": net(op("ConstantFill", [], ["n"], shape=[1], value=2**40), op("OneHot", ["x", "n"])),
    "generate_proposals_of_nothing": net(op("GenerateProposals", ["x"] * 4, ["y", "p"])),
    "roi_align_huge": net(op("RoIAlign", ["x", "x"], pooled_h=2**40, pooled_w=2**40)),
    "nested_20": nested(20),
    "attribute_twice": net(OperatorDef(type="Softmax", input=["x"], output=["y"], arg=[argument("axis", 1)] * 2)),
    "title_in_type": net(op("\x1b]0;TITLE\x07")),
    "title_in_name": net(op("Relu"), name="\x1b]0;TITLE\x07\x1b[2J"),
    "fake_line_in_blob": net(op("Relu", ["x\n18 of 18 checks passed"]), inputs=["x\n18 of 18 checks passed"]),
    "bidi_in_output": net(op("Relu", ["x"], ["\u202egnp"]), outputs=["\u202egnp"]),
    "escape_in_missing": net(op("Relu", ["\x1b[2J"])),
    "many_operators": net(*(op("Relu", ["x" if k == 0 else f"t{k}"], [f"t{k + 1}"]) for k in range(5000))),
}

TEXTS = {
    "empty": b"",
    "not_text": b"\xff\xfe\x00",
    "nonsense": b"hello world",
    "cut": b'op { type: "Relu" input: "x" output: ',
    "nested_5000": nested_text(5000),
    "nested_unknown": b"op { unknown { " * 5000,
    "number_of_5000_digits": b'op { type: "Relu" arg { i: ' + b"9" * 5000 + b" } }",
    "number_beyond_64_bits": b'op { type: "Relu" arg { i: 99999999999999999999 } }',
    "text_without_end": b'op { type: "' + b"a" * 100_000,
    "escape_in_message": b'op { type: "Relu" \x1b[2J: 1 }',
    "extension": b'op { [x.y.z/a]: "Relu" }',
}

PARAMETERS = {
    "values_short": fill(shape=[2, 3], values=[1.0]),
    "values_long": fill(shape=[2, 3], values=[1.0] * 7),
    **{f"shape_{size}": fill(shape=[size], values=[1.0] * 6) for size in HUGE},
    "shape_overflows_to_6": fill(shape=[2**33, 2**33, 6], values=[1.0] * 6),
    "shape_empty_and_huge": fill(shape=[0, 2**63 - 1], values=[]),
    "shape_negative": fill(shape=[-2, -3], values=[1.0] * 6),
    "shape_of_65": fill(shape=[1] * 65, values=[1.0]),
    "shape_as_floats": fill(shape=[2.0, 3.0], values=[1.0] * 6),
    "values_as_ints": fill(shape=[2, 3], values=[1] * 6),
    "constant_of_2_40": fill("ConstantFill", shape=[2**40], value=1.0),
    "constant_of_2_31": fill("ConstantFill", shape=[2**31], value=1.0),
    "constant_of_2_gib": fill("ConstantFill", shape=[2**29 - 1], value=1.0),
    "constant_negative": fill("ConstantFill", shape=[-1], value=1.0),
    "constant_of_type_77": fill("ConstantFill", shape=[2, 3], value=1.0, dtype=77),
    "given_of_type_77": fill(shape=[2, 3], values=[1.0] * 6, dtype=77),
    "uniform_of_2_40": fill("UniformFill", shape=[2**40]),
    "xavier_of_2_33": fill("XavierFill", shape=[2**33]),
    "bytes_short": fill("GivenTensorByteStringToUInt8Fill", shape=[2, 3], values=[1]),
    "int8_short": fill("Int8GivenTensorFill", shape=[2, 3], values=b"abc", Y_scale=1.0, Y_zero_point=0),
    "int8_scale_nan": fill("Int8GivenTensorFill", shape=[2], values=b"ab", Y_scale=float("nan"), Y_zero_point=-(2**40)),
    "two_outputs": net(op("GivenTensorFill", [], ["w", "v"], shape=[1], values=[1.0]), inputs=[], outputs=[]),
    "no_output": net(op("GivenTensorFill", [], [], shape=[1], values=[1.0]), inputs=[], outputs=[]),
    "of_another_shape": fill(shape=[7], values=[1.0] * 7),
    "without_the_blob": net(op("GivenTensorFill", [], ["other"], shape=[1], values=[1.0]), inputs=[], outputs=[]),
    "an_operator_in_it": net(op("Nonsense", ["a"], ["w"]), inputs=[], outputs=[]),
    "copy_of_itself": net(op("Copy", ["w"], ["w"]), inputs=[], outputs=[]),
    "blob_not_text": with_bytes(_FILL, b"\x12\x01w", b"\x12\x01\xff"),
    "title_in_blob": net(op("GivenTensorFill", [], ["\x1b]0;T\x07"], shape=[9], values=[1.0]), inputs=[], outputs=[]),
    **{f"cut_at_{k}_of_7": _LONG_FILL[: len(_LONG_FILL) * k // 7] for k in range(1, 7)},
    "packed_floats_of_odd_length": b"\x12\x1c"
    + b"\x12\x01w"
    + b"\x2a\x13"
    + b"\x0a\x06values"
    + b"\x2a\x09"
    + bytes(9),
    "float_cut_off": _LONG_FILL[:-3],
    "lengths_of_2_31": b"\x12" + struct.pack("<B", 0xFF) * 4 + b"\x07" + _FILL,
}

add_files("net", NETS, ".pb", ANY)
add_files("net", {f"text_{name}": content for name, content in TEXTS.items()}, ".pbtxt", ANY)
add_files("net", {f"bytes_{name}": content for name, content in BYTES.items() if "cut" not in name}, ".pb")
add_files("net", {"nested_300": nested(300)}, ".pb")
add_files("parameters", PARAMETERS, ".pb", ANY)
add_files("parameters", {f"bytes_{name}": content for name, content in BYTES.items() if "cut" not in name}, ".pb")
