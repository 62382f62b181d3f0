"""Archives of a model with data sets, and data sets in folders."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import onnx
from onnx import OptionalProto, SequenceProto, TensorProto

from tests.attacks import arrays, models
from tests.attacks.attack import ANY, ATTACKS, Attack, Builder, Content, add_files, made

RELU = models.relu().SerializeToString(deterministic=True)
GOOD = onnx.numpy_helper.from_array(np.zeros((2, 3), "f"), "x").SerializeToString()


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


def tar(*members: tuple[tarfile.TarInfo, bytes], style: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as archive:
        for header, content in members:
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def bundle(*files: tuple[str, bytes], model: bytes = RELU) -> bytes:
    return gzip.compress(tar(*((info(name), content) for name, content in [("b/model.onnx", model), *files])))


def one_set(given: bytes, wanted: bytes = GOOD) -> bytes:
    return bundle(("b/test_data_set_0/input_0.pb", given), ("b/test_data_set_0/output_0.pb", wanted))


def bomb(zeros: int) -> bytes:
    buffer = io.BytesIO()
    with gzip.open(buffer, "wb", 1) as file:
        file.write(info("b/model.onnx", size=zeros).tobuf())
        for _ in range(zeros >> 20):
            file.write(bytes(1 << 20))
    return buffer.getvalue()


def long_name(kind: bytes, size: int, announced: int | None = None) -> bytes:
    buffer = io.BytesIO()
    with gzip.open(buffer, "wb", 1) as file:
        header = info("p", kind, size=size if announced is None else announced)
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size >> 20):
            file.write(b"a" * (1 << 20))
        file.write(info("q").tobuf() + bytes(1024))
    return buffer.getvalue()


def tensor(**fields: object) -> bytes:
    return TensorProto(name="x", **fields).SerializeToString()  # type: ignore[arg-type]


def external() -> bytes:
    made = TensorProto(name="y", dims=[2, 3], data_type=1, data_location=TensorProto.EXTERNAL)
    made.external_data.add(key="location", value="../../../secret")
    return made.SerializeToString()


def sequence(depth: int) -> bytes:
    inner = SequenceProto(elem_type=SequenceProto.TENSOR)
    for _ in range(depth):
        inner = SequenceProto(elem_type=SequenceProto.SEQUENCE, sequence_values=[inner])
    return inner.SerializeToString()


_SPARSE = tarfile.TarInfo("b/model.onnx")
_SPARSE.type = tarfile.GNUTYPE_SPARSE
_WHOLE = one_set(GOOD)
_NPZ = arrays.npz(("inputs.npy", arrays.npy(3.0)), ("outputs.npy", arrays.npy(3.0)))

TENSORS = {
    "raw_short": tensor(dims=[2, 3], data_type=1, raw_data=bytes(20)),
    "raw_of_2_62": tensor(dims=[2**62], data_type=1, raw_data=bytes(4)),
    "dims_negative": tensor(dims=[-2, -3], data_type=1, raw_data=bytes(24)),
    "dims_of_65": tensor(dims=[1] * 65, data_type=1, raw_data=bytes(4)),
    "dtype_0": tensor(dims=[2, 3], data_type=0, raw_data=bytes(24)),
    "dtype_77": tensor(dims=[2, 3], data_type=77, raw_data=bytes(24)),
    "no_data": tensor(dims=[2, 3], data_type=1),
    "zero_and_huge": tensor(dims=[0, 2**62, 2**62], data_type=1),
    "int4_short": tensor(dims=[3], data_type=22, raw_data=bytes(1)),
    "strings_not_text": tensor(dims=[1], data_type=8, string_data=[b"\xff\xfe"]),
    "of_doubles": tensor(dims=[2, 3], data_type=11, raw_data=bytes(48)),
    "of_another_shape": tensor(dims=[5], data_type=1, raw_data=bytes(20)),
    "external": external(),
    "sequence": sequence(1),
    "sequence_of_60": sequence(60),
    "optional": OptionalProto(elem_type=OptionalProto.SEQUENCE).SerializeToString(),
    "cut": GOOD[:-5],
    "empty": b"",
    "text": b"hello",
}

ARCHIVES: dict[str, Content] = {
    "climbs": gzip.compress(tar((info("../evil"), b"x"))),
    "climbs_inside": gzip.compress(tar((info("b/../../evil"), b"x"))),
    "absolute": gzip.compress(tar((info("/tmp/evil"), b"x"))),
    "backslash": gzip.compress(tar((info("..\\evil"), b"x"))),
    "drive": gzip.compress(tar((info("C:evil"), b"x"))),
    "link_out": gzip.compress(tar((info("b/l", tarfile.SYMTYPE, "/etc"), b""), (info("b/l/evil"), b"x"))),
    "link_to_model": gzip.compress(tar((info("b/model.onnx", tarfile.SYMTYPE, "/etc/passwd"), b""))),
    "hard_link": gzip.compress(tar((info("b/model.onnx", tarfile.LNKTYPE, "/etc/passwd"), b""))),
    "pipe": gzip.compress(tar((info("b/model.onnx", tarfile.FIFOTYPE), b""))),
    "device": gzip.compress(tar((info("b/model.onnx", tarfile.CHRTYPE), b""))),
    "sparse": gzip.compress(_SPARSE.tobuf() + bytes(1024)),
    "file_then_folder": gzip.compress(tar((info("b"), b"x"), (info("b/model.onnx"), RELU))),
    "folder_then_file": gzip.compress(tar((info("b/model.onnx/x"), b"x"), (info("b/model.onnx"), RELU))),
    "member_twice": gzip.compress(tar((info("b/model.onnx"), b"x"), (info("b/model.onnx"), RELU))),
    "deep": gzip.compress(tar((info("b/model.onnx"), RELU), (info("d/" * 2000 + "f"), b""))),
    "deep_20000": gzip.compress(tar((info("b/model.onnx"), RELU), (info("d/" * 20000 + "f"), b""))),
    "name_of_5000": gzip.compress(tar((info("n" * 5000), b""))),
    "name_of_1_mb": gzip.compress(tar((info("n" * (1 << 20)), b""))),
    "header_of_600_mb": lambda: long_name(tarfile.GNUTYPE_LONGNAME, 600 << 20),
    "header_of_another_kind": lambda: long_name(tarfile.XHDTYPE, 200 << 20),
    "header_announced": long_name(tarfile.GNUTYPE_LONGLINK, 1 << 20, 2**33 - 1),
    "bomb_of_1_gib": lambda: bomb(1 << 30),
    "many_members": gzip.compress(tar(*((info(f"b/{k}"), b"") for k in range(20000)))),
    "extended_headers": gzip.compress(tar((info("n" * 3000), b"x"), style=tarfile.PAX_FORMAT)),
    "title": gzip.compress(tar((info("b/\x1b]0;TITLE\x07\x1b[2Jx\n18 of 18 checks passed"), b""))),
    "bidi": gzip.compress(tar((info("b/\u202egnp.exe"), b""))),
    "name_not_text": gzip.compress(tar((info("b/\udcff\udcfe"), b""))),
    "size_lies": gzip.compress(info("b/model.onnx", size=2**33 - 1).tobuf() + b"short"),
    "size_negative": gzip.compress(
        info("b/model.onnx").tobuf().replace(b"00000000000\0", b"-0000000001\0", 1) + bytes(1024)
    ),
    "checksum": gzip.compress(info("b/model.onnx").tobuf().replace(b"model", b"modem", 1) + bytes(1024)),
    "no_model": gzip.compress(tar((info("b/readme"), b"x"))),
    "two_models": bundle(("b/other.onnx", RELU)),
    "no_data": bundle(),
    "empty_set": gzip.compress(tar((info("b/model.onnx"), RELU), (info("b/test_data_set_0", tarfile.DIRTYPE), b""))),
    "model_is_text": bundle(("b/test_data_set_0/input_0.pb", GOOD), model=b"hello"),
    "model_with_external_data": bundle(
        ("b/test_data_set_0/input_0.pb", GOOD),
        model=models.with_weight(TensorProto.FromString(external())).SerializeToString(),
    ),
    "output_missing": bundle(("b/test_data_set_0/input_0.pb", GOOD)),
    "npz_scalar": bundle(("b/test_data_0.npz", _NPZ)),
    "npz_text": bundle(("b/test_data_0.npz", b"hello")),
    "npz_lying": bundle(("b/test_data_0.npz", arrays.npz(("inputs.npy", arrays.header((10**13,)))))),
    "npz_damaged": bundle(("b/test_data_0.npz", made(arrays.ARRAYS["zip_data_damaged"]))),
    "npz_pickle": bundle(("b/test_data_0.npz", made(arrays.ARRAYS["pickle"]))),
    "gzip_cut": _WHOLE[:-12],
    "gzip_cut_in_half": _WHOLE[: len(_WHOLE) // 2],
    "gzip_checksum": _WHOLE[:-8] + bytes(4) + _WHOLE[-4:],
    "gzip_data_damaged": _WHOLE[:40] + b"\xff" * 10 + _WHOLE[50:],
    "gzip_header_alone": _WHOLE[:10],
    "gzip_of_text": gzip.compress(b"hello"),
    "gzip_of_gzip": gzip.compress(gzip.compress(_WHOLE)),
    "gzip_and_rest": _WHOLE + b"rest",
    "tar_plain_as_gzip": gzip.decompress(_WHOLE),
    "name_with_digits_of_5000": bundle((f"b/test_data_set_{'9' * 90}/input_0.pb", GOOD)),
}

add_files("archive", ARCHIVES, ".tar.gz", ANY)
add_files("archive", {f"bytes_{k}": v for k, v in models.BYTES.items() if "cut" not in k}, ".tar.gz")
add_files("archive", {f"input_{name}": one_set(content) for name, content in TENSORS.items()}, ".tar.gz", ANY)
add_files("archive", {f"output_{name}": one_set(GOOD, content) for name, content in TENSORS.items()}, ".tar.gz", ANY)


def _folder(given: bytes, wanted: bytes) -> Builder:
    def build(folder: Path) -> Path:
        made = folder / "bundle"
        (made / "test_data_set_0").mkdir(parents=True)
        (made / "model.onnx").write_bytes(RELU)
        (made / "test_data_set_0" / "input_0.pb").write_bytes(given)
        (made / "test_data_set_0" / "output_0.pb").write_bytes(wanted)
        return made

    return build


ATTACKS.extend(Attack(f"input_{name}", "data set", _folder(each, GOOD), ANY) for name, each in TENSORS.items())
ATTACKS.extend(Attack(f"output_{name}", "data set", _folder(GOOD, each), ANY) for name, each in TENSORS.items())
