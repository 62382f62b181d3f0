"""What a file is that is no model, told by its first bytes: a message names it, and says what to do instead."""

import re

from zoosmith.onnx_model.lfs import LARGEST_POINTER, parse_pointer

HEAD = 4096
"""How many bytes of a file's beginning `other_kind` wants."""

_BY_BEGIN = (
    (b"\x1f\x8b", "a gzip file: unpack it first"),
    (b"BZh", "a bzip2 file: unpack it first"),
    (b"\xfd7zXZ\0", "an xz file: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd file: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes: export the model to ONNX with tf2onnx"),
    (b"\x93NUMPY", "an array of numpy (.npy)"),
    (b"GGUF", "a GGUF file, which holds weights without a graph"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x7fELF", "a program or library"),
)
_BY_MARK = (  # flatbuffers have their mark at byte 4
    (b"TFL3", "a TensorFlow Lite model"),
    (b"ORTM", "a model in ONNX Runtime's own format (.ort): take the .onnx file that it was made of"),
)
_TAR_MARK = slice(257, 262)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_SAFETENSORS = re.compile(rb'.{4}\0{4}\{\s*"', re.DOTALL)
_PAGE = re.compile(rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_OPENVINO = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<net\b")
_XML = re.compile(rb"\s*<\?xml\b")
_JSON = re.compile(rb'\s*(?:\{\s*"|\[\s*[\[{"])')
_TORCH = "a PyTorch file: export the model with torch.onnx.export"


def other_kind(begin: bytes) -> str | None:
    """Tell what a file is that could not be read as a model or a net.

    Args:
        begin: the first `HEAD` bytes of the file, or all of a shorter one.

    Returns:
        The kind, and what to do where that helps; None where the beginning is of no kind that is known here.
    """
    if not begin:
        return "an empty file"
    if not begin.strip(b"\0"):
        return "a file that begins with zeros, such as a download that was cut"
    if parse_pointer(begin[: LARGEST_POINTER + 1]):
        return "a Git LFS pointer in place of the file: fetch the file with `git lfs pull`"
    if begin.startswith(b"PK\x03\x04"):
        return _TORCH if b"/data.pkl" in begin or b"/version" in begin else "a zip archive: unpack it first"
    for mark, kind in _BY_BEGIN:
        if begin.startswith(mark):
            return kind
    for mark, kind in _BY_MARK:
        if begin[4:8] == mark:
            return kind
    if begin[_TAR_MARK] == b"ustar":
        return "a tar archive: unpack it first"
    return _by_pattern(begin)


def _by_pattern(begin: bytes) -> str | None:
    kinds = (
        (_PICKLE, "a pickle, such as PyTorch and scikit-learn write: export the model to ONNX"),
        (_SAFETENSORS, "a safetensors file, which holds weights without a graph"),
        (_PAGE, "a web page: download the file itself"),
        (_OPENVINO, "an OpenVINO model: take the ONNX file that it was made of"),
        (_XML, "an XML file"),
        (_JSON, "JSON"),
    )
    return next((kind for pattern, kind in kinds if pattern.match(begin)), None)
