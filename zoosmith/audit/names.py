"""What the name of a zoo's file says: `densenet-12-int8.onnx` is of opset 12."""

import re

from onnx.defs import onnx_opset_version

from zoosmith.audit.files import stem_of
from zoosmith.hub.pins import named_by_hash, pinned_infos

UNCLAIMED = "model.onnx"
"""The name of every model in an unpacked archive: it claims nothing."""

CARD = "readme.md"
"""The name of a model card, in lower case."""


def opset_in(name: str) -> int | None:
    """The opset that the name of a model's file or archive states; None where it states none.

    Args:
        name: of the file; a number at its end that can be no opset is part of the model's name.
    """
    found = re.search(r"-(\d{1,2})(?:-[A-Za-z]\w*)?$", stem_of(name))
    opset = int(found[1]) if found else 0
    return opset if 1 <= opset <= onnx_opset_version() else None


def published_name(name: str, sha256: str) -> str | None:
    """The right name of a published file that carries the name of another published one; None for every other file.

    Args:
        name: of the file.
        sha256: of its content.
    """
    right = named_by_hash(sha256)
    names = {f"{info.stem}.onnx" for info in pinned_infos()}
    return right if right is not None and right != name and name in names else None
