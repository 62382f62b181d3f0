"""numpy's arrays: `.npy` and `.npz`."""

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from math import prod

import numpy as np

from tests.attacks.attack import ANY, Content, add_files
from tests.attacks.models import BYTES


def npy(array: object, version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), version=version, allow_pickle=True)
    return buffer.getvalue()


def header(shape: object, descr: str = "'<f4'", order: object = False, more: str = "") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {more}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def npz(*members: tuple[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, content in members:
            with warnings.catch_warnings():  # of a name that comes twice
                warnings.simplefilter("ignore")
                archive.writestr(name, content)
    return buffer.getvalue()


def x(content: bytes, kind: int = zipfile.ZIP_STORED) -> bytes:
    return npz(("x.npy", content), kind=kind)


def large(shape: tuple[int, ...]) -> bytes:
    """A compressed array of zeros, made piece by piece: its file is a thousand times smaller."""
    buffer, left = io.BytesIO(), prod(shape) * 4
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(header(shape))
        while left:
            member.write(bytes(min(left, 1 << 24)))
            left -= min(left, 1 << 24)
    return buffer.getvalue()


def changed(content: bytes, change: Callable[[bytearray], None]) -> bytes:
    made = bytearray(content)
    change(made)
    return bytes(made)


def _set(offset: int, value: bytes, content: bytes, after: bytes) -> bytes:
    at = content.index(after) + offset
    return content[:at] + value + content[at + len(value) :]


IMAGES = npy(np.zeros((2, 3, 8, 8), "f"))
_WHOLE = x(IMAGES, zipfile.ZIP_DEFLATED)
_CENTRAL = b"PK\x01\x02"

ARRAYS: dict[str, Content] = {
    **{f"header_of_{size}": x(header((size, 3, 8, 8))) for size in (10**13, 2**31, 2**62, 2**63, 10**30)},
    "header_negative": x(header((-2, 3, 8, 8)) + bytes(1536)),
    "header_overflows": x(header((2**33, 2**33, 8, 8)) + bytes(1536)),
    "header_of_65_dimensions": x(header((1,) * 65) + bytes(4)),
    "header_zero_and_huge": x(header((0, 2**62, 2**62))),
    "header_of_floats": x(header((2.5, 3, 8, 8)) + bytes(1536)),
    "header_of_texts": x(header("('a',)") + bytes(1536)),
    "header_of_booleans": x(header((True, 3, 8, 8)) + bytes(1536)),
    "header_shape_not_a_tuple": x(header("7") + bytes(1536)),
    "header_type_unknown": x(header((2, 3, 8, 8), "'<q77'") + bytes(1536)),
    "header_type_of_objects": x(header((2, 3, 8, 8), "'|O'") + bytes(1536)),
    "header_type_structured": x(header((2,), "[('a', '<f4'), ('b', '|O')]") + bytes(1536)),
    "header_type_of_huge_texts": x(header((2,), "'<U1000000000'") + bytes(1536)),
    "header_type_of_no_size": x(header((2**62,), "'<U0'")),
    "header_type_in_type": x(header((1,), "('<f4', (10000, 10000))") + bytes(64)),
    "header_runs_code": x(header((2, 3, 8, 8), "__import__('os').system('touch owned')") + bytes(1536)),
    "header_nested": x(header("(" * 3000 + ")" * 3000) + bytes(1536)),
    "header_more_keys": x(header((2, 3, 8, 8), more="'x': 1") + bytes(1536)),
    "header_of_60000": x(b"\x93NUMPY\x01\x00" + struct.pack("<H", 60000) + b" " * 60000),
    "header_cut": x(b"\x93NUMPY\x01\x00" + struct.pack("<H", 500) + b"{'descr"),
    "header_of_4_gib": x(b"\x93NUMPY\x02\x00" + b"\xff\xff\xff\xff" + b"{"),
    "header_version_3": x(npy(np.zeros((2, 3, 8, 8), "f"), (3, 0))),
    "header_version_9": x(b"\x93NUMPY\x09\x00" + bytes(64)),
    "fortran_as_text": x(header((2, 3, 8, 8), order="'yes'") + bytes(1536)),
    "fortran_huge": x(header((2**40, 3, 8, 8), order=True) + bytes(1536)),
    "data_short": x(header((2, 3, 8, 8)) + bytes(1535)),
    "data_long": x(header((2, 3, 8, 8)) + bytes(99999)),
    "data_none": x(header((2, 3, 8, 8))),
    "pickle": x(npy(np.array([{"a": 1}], dtype=object))),
    "pickle_member": npz(("x", b"cos\nsystem\n(S'touch owned'\ntR.")),
    "member_no_array": npz(("x", b"hello")),
    "member_empty": npz(("x.npy", b"")),
    "member_twice": npz(("x.npy", IMAGES), ("x.npy", header((10**13,)))),
    "member_both_names": npz(("x", IMAGES), ("x.npy", header((10**13,)))),
    "member_climbs": npz(("../x.npy", IMAGES)),
    "member_of_another_name": npz(("y.npy", IMAGES)),
    "member_title": npz(("\x1b]0;TITLE\x07.npy", IMAGES)),
    "member_fake_line": npz(("a\n18 of 18 checks passed.npy", IMAGES)),
    "no_members": npz(),
    "many_members": npz(*((f"{k}.npy", b"") for k in range(20000))),
    "scalar": x(npy(np.float32(3))),
    "no_samples": x(npy(np.zeros((0, 3, 8, 8), "f"))),
    "of_nan": x(npy(np.full((2, 3, 8, 8), np.nan, "f"))),
    "of_infinity": x(npy(np.full((2, 3, 8, 8), np.inf, "f"))),
    "of_texts": x(npy(np.full((2, 3, 8, 8), "a"))),
    "of_texts_no_unicode": x(header((2, 3, 8, 8), "'<U1'") + b"\xff" * 1536),
    "of_dates": x(npy(np.zeros((2, 3, 8, 8), "M8[s]"))),
    "of_complex": x(npy(np.zeros((2, 3, 8, 8), "c8"))),
    "of_integers": x(npy(np.zeros((2, 3, 8, 8), "i8"))),
    "of_big_endian": x(npy(np.zeros((2, 3, 8, 8), ">f4"))),
    "of_float128": x(npy(np.zeros((2, 3, 8, 8), "g"))),
    "of_raw_bytes": x(npy(np.zeros((2, 3, 8, 8), "V4"))),
    "of_another_shape": x(npy(np.zeros((2, 1, 8, 8), "f"))),
    "of_another_rank": x(npy(np.zeros(5, "f"))),
    "inputs_scalar": npz(("inputs.npy", npy(np.float32(3)))),
    "inputs_empty": npz(("inputs.npy", npy(np.zeros((0,), "f")))),
    "inputs_huge": npz(("inputs.npy", header((10**13, 3, 8, 8)))),
    "zip_data_damaged": changed(_WHOLE, lambda b: b.__setitem__(slice(45, 50), b"\xff" * 5)),
    "zip_checksum": _set(16, b"\0\0\0\0", _WHOLE, _CENTRAL),
    "zip_sizes_lie": _set(24, b"\xff\xff\xff\x7f", _WHOLE, _CENTRAL),
    "zip_packed_size_lies": _set(20, b"\xff\xff\xff\x7f", _WHOLE, _CENTRAL),
    "zip_offset_lies": _set(42, b"\xff\xff\xff\x7f", _WHOLE, _CENTRAL),
    "zip_method_99": _set(10, b"\x63\0", _WHOLE, _CENTRAL),
    "zip_encrypted": _set(8, b"\x01\0", _WHOLE, _CENTRAL),
    "zip_cut": _WHOLE[:-10],
    "zip_cut_in_half": _WHOLE[: len(_WHOLE) // 2],
    "zip_of_lzma": x(IMAGES, zipfile.ZIP_LZMA),
    "zip_of_bzip2": x(IMAGES, zipfile.ZIP_BZIP2),
    "zip_comment": _WHOLE[:-2] + b"\xff\xff",
    "of_1_gib_in_many": lambda: large((1_500_000, 3, 8, 8)),
    "of_1_gib_in_one": lambda: large((1, 3, 10240, 10240)),
}

SINGLE = {
    "header_of_10_13": header((10**13, 3, 8, 8)),
    "header_of_2_63": header((2**63, 3, 8, 8)),
    "header_negative": header((-2, 3, 8, 8)) + bytes(1536),
    "header_runs_code": header((2,), "__import__('os')"),
    "header_zero_and_huge": header((0, 2**62, 2**62)),
    "data_short": header((2, 3, 8, 8)) + bytes(7),
    "pickle": npy(np.array([{"a": 1}], dtype=object)),
    "scalar": npy(np.float32(3)),
    "magic_alone": b"\x93NUMPY",
    "empty": b"",
    "zip_inside": _WHOLE,
    "of_another_shape": npy(np.zeros(7, "f")),
}

add_files("arrays", ARRAYS, ".npz", ANY)
add_files("arrays", {f"npy_{name}": content for name, content in SINGLE.items()}, ".npy", ANY)
add_files("arrays", {f"bytes_{name}": content for name, content in BYTES.items() if "cut" not in name}, ".npz")
