"""Folders of images, their labels, and JSON of types and shapes."""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

from tests.attacks.attack import ANY, ATTACKS, Attack, Builder, Content, add_files, made
from tests.attacks.models import BYTES


def _encoded(kind: str, size: tuple[int, int] = (12, 12), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int = 8, colour: int = 2, data: bytes = b"", *more: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")


def whole_png(side: int) -> bytes:
    """A square picture of one colour: hundreds of megapixels in a few kilobytes."""
    compressor = zlib.compressobj(1)
    row = bytes(1 + side * 3)
    data = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


_BOMB = b"k\0\0" + zlib.compress(bytes(50_000_000), 1)
_PNG, _JPEG, _GIF, _BMP, _TIFF = (_encoded(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF"))

IMAGES: dict[str, Content] = {
    "png_of_169_megapixels": lambda: whole_png(13000),
    "png_of_100_megapixels": lambda: whole_png(10000),
    "png_of_2_31": png(2**31 - 1, 2**31 - 1),
    "png_of_one_long_row": png(2**31 - 1, 1),
    "png_of_no_size": png(0, 0),
    "png_depth_77": png(12, 12, depth=77),
    "png_colour_9": png(12, 12, colour=9),
    "png_no_data": png(12, 12),
    "png_short_data": png(12, 12, data=b"abc"),
    "png_long_data": png(12, 12, data=bytes(10_000_000)),
    "png_palette_missing": png(12, 12, colour=3, data=bytes(12 * 13)),
    "png_text_bomb": png(12, 12, 8, 2, bytes(12 * 37), _chunk(b"zTXt", _BOMB)),
    "png_profile_bomb": png(
        12, 12, 8, 2, bytes(12 * 37), _chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(100_000_000)))
    ),
    "png_checksum": _PNG[:30] + b"\0\0\0\0" + _PNG[34:],
    "png_cut": _PNG[: len(_PNG) // 2],
    "jpeg_cut": _JPEG[: len(_JPEG) // 2],
    "jpeg_header": _JPEG[:20],
    "jpeg_of_65535": _JPEG.replace(b"\x00\x0c\x00\x0c", b"\xff\xff\xff\xff"),
    "jpeg_of_no_size": _JPEG.replace(b"\x00\x0c\x00\x0c", b"\0\0\0\0"),
    "jpeg_damaged": _JPEG[:200] + b"\xff" * 100 + _JPEG[300:],
    "gif_cut": _GIF[:-5],
    "gif_of_65535": _GIF[:6] + b"\xff\xff\xff\xff" + _GIF[10:],
    "bmp_of_2_31": _BMP[:18] + b"\xff\xff\xff\x7f\xff\xff\xff\x7f" + _BMP[26:],
    "bmp_offset": _BMP[:10] + b"\xff\xff\xff\x7f" + _BMP[14:],
    "tiff_offset": _TIFF[:4] + b"\xff\xff\xff\x7f" + _TIFF[8:],
    "tiff_offset_to_itself": _TIFF[:4] + b"\x04\0\0\0" + _TIFF[8:],
    "ppm_of_10_12": b"P6 1000000 1000000 255\n",
    "ppm_of_5000_digits": b"P6 " + b"9" * 5000 + b" 1 255\n",
    "ppm_max_0": b"P6 12 12 0\n" + bytes(432),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(owned) (w) file\n%%EOF\n",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "of_floats": _encoded("TIFF", mode="F"),
    "of_cmyk": _encoded("JPEG", mode="CMYK"),
    "of_16_bits": _encoded("PNG", mode="I;16"),
    "of_one_bit": _encoded("PNG", mode="1"),
    "of_one_pixel": _encoded("PNG", (1, 1)),
    "of_one_row": _encoded("PNG", (60000, 1)),
    "of_one_column": _encoded("PNG", (1, 60000)),
}


def _folder(content: Content, *, beside: bool, name: str = "0.png") -> Builder:
    def build(folder: Path) -> Path:
        pictures = folder / "pictures"
        pictures.mkdir()
        (pictures / name).write_bytes(made(content))
        names = [name]
        if beside:
            (pictures / "1.png").write_bytes(_encoded("PNG"))
            names.append("1.png")
        (pictures / "labels.csv").write_text("".join(f"{each},0\n" for each in names), errors="surrogateescape")
        return pictures

    return build


ATTACKS.extend(Attack(name, "images", _folder(each, beside=False), ANY) for name, each in IMAGES.items())
ATTACKS.extend(Attack(f"{name}_and_one", "images", _folder(each, beside=True), ANY) for name, each in IMAGES.items())
_BYTES = {name: content for name, content in BYTES.items() if "cut" not in name}
ATTACKS.extend(Attack(f"bytes_{name}", "images", _folder(each, beside=False), ANY) for name, each in _BYTES.items())
for _what, _name in {
    "title": "\x1b]0;TITLE\x07.png",
    "fake_line": "x\n18 of 18 checks passed.png",
    "not_text": "\udcff\udcfe.png",
    "bidi": "\u202egnp.png",
    "markup": "[bold][-no].png",
}.items():
    ATTACKS.append(Attack(f"name_{_what}", "images", _folder(b"no image", beside=True, name=_name), ANY))

_ROWS = "0.png,0\n1.png,1\n2.png,2\n3.png,3\n"

LABELS: dict[str, Content] = {
    "empty": b"",
    "negative": _ROWS.replace("3\n", "-3\n").encode(),
    "float": _ROWS.replace(",3\n", ",3.5\n").encode(),
    "nan": _ROWS.replace(",3\n", ",nan\n").encode(),
    "of_5000_digits": _ROWS.replace(",3\n", f",{'9' * 5000}\n").encode(),
    "of_2_62": _ROWS.replace(",3\n", f",{2**62}\n").encode(),
    "of_2_31": _ROWS.replace(",3\n", f",{2**31}\n").encode(),
    "of_1000000": _ROWS.replace(",3\n", ",1000000\n").encode(),
    "superscript": _ROWS.replace(",3\n", ",³\n").encode(),
    "arabic_digits": _ROWS.replace(",3\n", ",٣\n").encode(),
    "missing": b"0.png,0\n",
    "one_column": b"0.png\n1.png\n",
    "twice": (_ROWS + "0.png,3\n").encode(),
    "nul": _ROWS.encode() + b"a\0b,1\n",
    "quote_without_end": b'"0.png,0\n' + _ROWS.encode(),
    "field_of_300_kb": b'"' + b"a" * 300_000 + b'",1\n',
    "many_columns": b"0.png" + b"," * 100_000 + b"\n",
    "not_utf8": b"\xff\xfe0\0,\x000\0",
    "utf16": _ROWS.encode("utf-16"),
    "title": b"\x1b]0;TITLE\x07,x\n",
    "fake_line": b'"a\n18 of 18 checks passed",x\n',
    "bidi": "\u202egnp,-1\n".encode(),
    "100_mb": lambda: b"a" * (100 << 20),
    "lines_of_nothing": b"\n" * 100_000,
}
add_files("labels", LABELS, ".csv", ANY)
add_files("labels", {f"text_{name}": content for name, content in LABELS.items() if name != "100_mb"}, ".txt", ANY)
add_files("labels", {f"bytes_{name}": content for name, content in _BYTES.items()}, ".csv", ANY)

JSON: dict[str, Content] = {
    "infinity": b'{"x": [1, [Infinity]]}',
    "minus_infinity": b'{"x": [1, [-Infinity, 3]]}',
    "nan": b'{"x": [1, [NaN]]}',
    "large_float": b'{"x": [1, [1e400]]}',
    "float": b'{"x": [1, [2.5, 3]]}',
    "type_infinity": b'{"x": [Infinity, [2, 3]]}',
    "type_77": b'{"x": [77, [2, 3]]}',
    "type_0": b'{"x": [0, [2, 3]]}',
    "type_text": b'{"x": ["float", [2, 3]]}',
    "type_true": b'{"x": [true, [2, 3]]}',
    "type_null": b'{"x": [null, [2, 3]]}',
    "size_null": b'{"x": [1, [null, 3]]}',
    "size_list": b'{"x": [1, [[2], 3]]}',
    "size_true": b'{"x": [1, [true, 3]]}',
    "size_empty_text": b'{"x": [1, ["", 3]]}',
    "size_title": b'{"x": [1, ["\\u001b]0;TITLE\\u0007", 3]]}',
    "size_negative": b'{"x": [1, [-2, 3]]}',
    **{f"size_{size}": f'{{"x": [1, [{size}, 3]]}}'.encode() for size in (2**31, 2**62, 2**63, 10**30)},
    "size_of_5000_digits": b'{"x": [1, [' + b"9" * 5000 + b"]]}",
    "sizes_65": b'{"x": [1, [' + b",".join([b"1"] * 65) + b"]]}",
    "sizes_text": b'{"x": [1, "23"]}',
    "sizes_number": b'{"x": [1, 6]}',
    "pair_of_one": b'{"x": [1]}',
    "pair_of_three": b'{"x": [1, [2, 3], 4]}',
    "pair_as_number": b'{"x": 1}',
    "list": b'[["x", [1, [2, 3]]]]',
    "number": b"7",
    "text": b'"x"',
    "null": b"null",
    "empty_object": b"{}",
    "twice": b'{"x": [1, [2, 3]], "x": [1, [9]]}',
    "of_no_input": b'{"other": [1, [2, 3]]}',
    "name_title": b'{"\\u001b]0;TITLE\\u0007": [1, [2, 3]]}',
    "name_surrogate": b'{"\\ud800": [1, [2, 3]]}',
    "size_surrogate": b'{"x": [1, ["\\ud800", 3]]}',
    "nested_lists": b"[" * 100_000,
    "nested_objects": b'{"x":' * 100_000,
    "nested_in_size": b'{"x": [1, [' + b"[" * 5000 + b"]" * 5000 + b"]]}",
    "cut": b'{"x": [1, [2,',
    "empty": b"",
    "not_utf8": b'{"\xff": [1, [2, 3]]}',
    "utf16": '{"x": [1, [2, 3]]}'.encode("utf-16"),
    "bom": b'\xef\xbb\xbf{"x": [1, [2, 3]]}',
    "comment": b'{"x": [1, [2, 3]]} // comment',
    "50_mb": lambda: b'{"x": [1, [' + b" " * (50 << 20) + b"2, 3]]}",
}
add_files("json", JSON, ".json", ANY)
add_files("json", {f"bytes_{name}": content for name, content in _BYTES.items()}, ".json")
