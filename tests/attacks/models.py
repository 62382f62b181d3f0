"""ONNX models: damaged weights, graphs and bytes, and hostile names."""

from onnx import ModelProto, TensorProto, TypeProto, helper

from tests.attacks.attack import ANY, REFUSED, add_files
from tests.attacks.model_building import (
    BEYOND,
    BIG,
    CONV,
    FLOAT,
    INT64,
    changed,
    constant,
    contents,
    images,
    in_branch,
    in_constant,
    model,
    nested_once,
    nested_type,
    node,
    of_type,
    relu,
    sparse,
    value,
    weight,
    with_bytes,
    with_weight,
)

WEIGHTS: dict[str, ModelProto | bytes] = {
    "raw_short": weight([2, 3], bytes(20)),
    "raw_long": weight([2, 3], bytes(28)),
    "raw_odd": weight([2, 3], bytes(23)),
    "raw_empty": weight([2, 3], b""),
    "no_data": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT)),
    "scalar_without_data": with_weight(TensorProto(data_type=FLOAT)),
    **{f"dims_{size}": weight([size], bytes(4)) for size in BIG},
    "dims_product_overflows_to_24": weight([2**33, 2**33, 6], bytes(24)),
    "dims_product_overflows_to_0": weight([2**32, 2**32], b""),
    "dims_negative": weight([-2, -3], bytes(24)),
    "dims_minus_one": weight([-1], bytes(4)),
    "dims_least": weight([-(2**63)], bytes(4)),
    "dims_65": weight([1] * 65, bytes(4)),
    "dims_1000": weight([1] * 1000, bytes(4)),
    "dims_zero_and_huge": weight([0, 2**62, 2**62], b""),
    "floats_short": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT, float_data=[1.0] * 5)),
    "floats_long": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT, float_data=[1.0] * 7)),
    "floats_as_ints": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT, int64_data=[1] * 6)),
    "doubles_short": with_weight(TensorProto(dims=[2, 3], data_type=TensorProto.DOUBLE, double_data=[1.0] * 5)),
    "int64_short": with_weight(TensorProto(dims=[2, 3], data_type=INT64, int64_data=[1] * 5)),
    "strings_short": with_weight(TensorProto(dims=[2, 3], data_type=TensorProto.STRING, string_data=[b"a"] * 5)),
    "strings_raw": weight([2, 3], bytes(24), TensorProto.STRING),
    "complex_short": with_weight(TensorProto(dims=[2, 3], data_type=TensorProto.COMPLEX64, float_data=[1.0] * 6)),
    "int4_short": weight([3], bytes(1), TensorProto.INT4),
    "int4_long": weight([3], bytes(3), TensorProto.INT4),
    "uint4_as_ints_short": with_weight(TensorProto(dims=[2, 3], data_type=TensorProto.UINT4, int32_data=[1] * 2)),
    "float16_short": weight([2, 3], bytes(11), TensorProto.FLOAT16),
    "bfloat16_short": weight([2, 3], bytes(10), TensorProto.BFLOAT16),
    "float8_short": weight([2, 3], bytes(5), TensorProto.FLOAT8E4M3FN),
    **{f"dtype_{kind}": weight([2, 3], bytes(24), kind) for kind in (0, BEYOND, 77, 1000, 2**31 - 1, -1)},
    "dtype_least": weight([2, 3], bytes(24), -(2**31)),
    "raw_and_floats": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT, raw_data=bytes(20), float_data=[1.0] * 6)),
    "segment": with_weight(
        TensorProto(dims=[2, 3], data_type=FLOAT, raw_data=bytes(24), segment=TensorProto.Segment(begin=0, end=6))
    ),
    "in_constant_short": in_constant(TensorProto(dims=[2, 3], data_type=FLOAT, raw_data=bytes(20))),
    "in_constant_huge": in_constant(TensorProto(dims=[2**62], data_type=FLOAT, raw_data=bytes(20))),
    "in_constant_dtype": in_constant(TensorProto(dims=[2, 3], data_type=77, raw_data=bytes(24))),
    "in_branch_short": in_branch(TensorProto(dims=[2, 3], data_type=FLOAT, raw_data=bytes(20))),
    "in_branch_huge": in_branch(TensorProto(dims=[2**62], data_type=FLOAT)),
    "sparse_negative": sparse(constant("v", [1.0], "f"), constant("i", [0]), [-2, 3]),
    "sparse_short_indices": sparse(constant("v", [1.0, 2.0], "f"), constant("i", [0]), [2, 3]),
    "sparse_float_indices": sparse(constant("v", [1.0], "f"), constant("i", [0], "f"), [6]),
    "sparse_values_2d": sparse(constant("v", [[1.0]], "f"), constant("i", [0]), [2, 3]),
    "sparse_values_short": sparse(TensorProto(dims=[4], data_type=FLOAT, raw_data=bytes(4)), constant("i", [0]), [6]),
    "sparse_no_values": sparse(TensorProto(), TensorProto(), [2, 3]),
}

STRUCTURE: dict[str, ModelProto | bytes] = {
    "attribute_of_a_list_holds_a_number": changed(
        lambda m: m.graph.node[0].attribute.add(name="num_groups", i=2, type=10)  # GRAPHS
    ),
    "elem_type_beyond": of_type(BEYOND),
    "elem_type_77": of_type(77),
    "elem_type_huge": of_type(2**31 - 1),
    "elem_type_negative": of_type(-5),
    "elem_type_of_output": changed(lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", 77)),
    "elem_type_in_sequence": changed(
        lambda m: m.graph.input[0].type.CopyFrom(
            TypeProto(sequence_type=TypeProto.Sequence(elem_type=TypeProto(tensor_type=TypeProto.Tensor(elem_type=77))))
        )
    ),
    "cycle_of_one": model([node("Add", ["x", "y"])]),
    "cycle_of_two": model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"])]),
    "cycle_of_5000": model(
        [node("Add", ["x", "t4999"], ["t0"])]
        + [node("Relu", [f"t{k}"], [f"t{k + 1}"]) for k in range(4999)]
        + [node("Relu", ["t4999"])]
    ),
    "unsorted": model([node("Relu", ["a"]), node("Relu", ["x"], ["a"])]),
    "unsorted_5000": model(
        [
            node("Relu", ["t0"]),
            *(node("Relu", [f"t{k + 1}"], [f"t{k}"]) for k in range(4999)),
            node("Relu", ["x"], ["t4999"]),
        ]
    ),
    "cycle_through_branch": model(
        [
            node(
                "If",
                ["on"],
                ["y"],
                then_branch=helper.make_graph([node("Relu", ["y"], ["t"])], "b", [], [value("t")]),
                else_branch=helper.make_graph([node("Relu", ["x"], ["t"])], "b", [], [value("t")]),
            )
        ],
        weights=[constant("on", True, "?")],
    ),
    "nested_once_2000": nested_once(2000),
    "nested_once_100000": nested_once(20000),
    "nested_type_200": nested_type(200),
    "no_graph": ModelProto(ir_version=8, opset_import=[helper.make_opsetid("", 13)]),
    "no_opset": changed(lambda m: m.ClearField("opset_import")),
    "no_ir": changed(lambda m: m.ClearField("ir_version")),
    "name_not_text": with_bytes(relu(), b"\x0a\x01x", b"\x0a\x01\xff"),
    "op_type_not_text": with_bytes(relu(), b"Relu", b"\xff\xfe\xfd\xfc"),
    "attribute_not_text": with_bytes(model([node("Softmax", axis=1)]), b"axis", b"a\xffis"),
    "producer_not_text": with_bytes(changed(lambda m: setattr(m, "producer_name", "maker")), b"maker", b"ma\xff\xffr"),
    "symbol_not_text": with_bytes(model([node("Relu")], [value("x", ["SYMB", 3])]), b"SYMB", b"\xff\xff\xff\xff"),
    "graph_name_not_text": with_bytes(changed(lambda m: setattr(m.graph, "name", "graf")), b"graf", b"gr\xc0\x80"),
    "surrogate_in_name": with_bytes(model([node("Relu")], [value("abc")]), b"abc", b"\xed\xa0\x80"),
}


def _hostile_names() -> dict[str, ModelProto | bytes]:
    names = {
        "title": "\x1b]0;TITLE\x07",
        "clear": "\x1b[2J\x1b[H",
        "fake_line": "x\n18 of 18 checks passed",
        "carriage_return": "x\rerror: none",
        "bidi": "\u202egnp.exe\u2066",
        "c1": "\x9b2J",
        "nul": "a\0b",
        "line_separator": "a\u2028b",
        "backspace": "abc\b\b\b",
        "markup": "[bold][/no]",
        "link": "[link=file:///etc/passwd]x",
        "percent": "%s%n{0}{x!r}",
    }
    made: dict[str, ModelProto | bytes] = {}
    for what, text in names.items():
        made[f"value_{what}"] = model([node("Relu", [text])], [value(text)])
        made[f"operator_{what}"] = model([node(text)])
        made[f"output_{what}"] = model([node("Relu", ["x"], [text])], outputs=[value(text, None)])
    made["producer_title"] = changed(lambda m: setattr(m, "producer_name", names["title"]))
    made["domain_title"] = changed(lambda m: m.opset_import.add(domain=names["title"], version=1))
    made["node_name_clear"] = changed(lambda m: setattr(m.graph.node[0], "name", names["clear"]), images("Conv"))
    made["symbol_title"] = model([node("Relu")], [value("x", [names["title"], 3])])
    return made


_WHOLE = images("Conv", CONV, ["x", "W"]).SerializeToString(deterministic=True)

BYTES = {
    "empty": b"",
    "one_byte": b"\x08",
    "text": b"hello, world\n",
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n",
    "html": b"<!DOCTYPE html><html><body>404</body></html>",
    "pickle": b"cos\nsystem\n(S'touch owned'\ntR.",
    **{f"cut_at_{k}_of_9": _WHOLE[: len(_WHOLE) * k // 9] for k in range(1, 9)},
    "length_beyond_the_end": b"\x3a\xff\xff\xff\xff\x07" + _WHOLE,
    "length_of_2_64": b"\x3a" + b"\xff" * 9 + b"\x01" + _WHOLE,
    "varint_without_end": _WHOLE + b"\x08" + b"\x80" * 40,
    "group_tags": b"\x0b" * 500 + _WHOLE,
    "field_0": b"\x02\x01x" + _WHOLE,
}

add_files("model", contents(WEIGHTS), ".onnx", REFUSED | {0})
add_files("model", contents(STRUCTURE), ".onnx")
add_files("model", BYTES, ".onnx")
add_files("model", contents(_hostile_names()), ".onnx", ANY)
