"""Names of ONNX values: Caffe2 writes a blob several times, ONNX gives every value a name of its own."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.proto.caffe2_pb2 import OperatorDef

# an operator, the blobs it reads and those it writes
Step: TypeAlias = tuple[OperatorDef, list[str], list[str]]

STYLES = ("zoo", "caffe2")


class ValueNames:
    """The ONNX name of every version of every blob, and names for helper nodes that meet none of them.

    Version 0 is what a blob holds before the net runs; every write makes the next one. Style `zoo` always appends the
    version (`conv1_w_0`), style `caffe2` only where a blob has more than one.
    """

    def __init__(self, steps: Sequence[Step], external_inputs: Iterable[str], style: str) -> None:
        if style not in STYLES:
            raise ConvertError(f"names={style!r}: expected one of {', '.join(STYLES)}")
        first: dict[str, int] = dict.fromkeys(external_inputs, 0)
        last: dict[str, int] = dict(first)
        for _, read, written in steps:
            for blob in read:
                if blob not in first:
                    first[blob] = last[blob] = 0
            for blob in written:
                version = last[blob] = last.get(blob, 0) + 1
                if version == 1 and blob not in first:
                    first[blob] = 1
        self._last = last
        self._reserved: set[str] = set()
        self._helpers = 0
        # blobs that keep their name for one version, and names that were changed because another blob has them
        self._plain: dict[str, int] = {}
        self._moved: dict[tuple[str, int], str] = {}
        if style == "caffe2":
            self._plain = {blob: version for blob, version in first.items() if blob and version in {0, last[blob]}}
            for blob, earliest in first.items():
                for version in range(earliest, last[blob] + 1):
                    name = f"{blob}_{version}"
                    if self._plain.get(blob) != version and name in self._plain:
                        self._moved[blob, version] = self.unused(name)

    def name(self, blob: str, version: int) -> str:
        """Give the name of a version of a blob."""
        if not self._plain:
            return f"{blob}_{version}"
        if self._plain.get(blob) == version:
            return blob
        return self._moved.get((blob, version)) or f"{blob}_{version}"

    def unused(self, wanted: str) -> str:
        """Reserve `wanted`, lengthened until no other value has it."""
        while wanted in self._reserved or wanted in self._plain or self._is_version(wanted):
            wanted += "_"
        self._reserved.add(wanted)
        return wanted

    def inner(self, blob: str) -> str:
        """Reserve a name for what a net inside of an operator writes into a blob."""
        return self.unused(blob if self._plain else f"{blob}_1")

    def helper(self) -> str:
        """Reserve a name for a value that stands for no blob."""
        name = self.unused(f"OC2_DUMMY_{self._helpers}")
        self._helpers += 1
        return name

    def _is_version(self, name: str) -> bool:
        """Tell whether a version of some blob has this name."""
        blob, _, version = name.rpartition("_")
        last = self._last.get(blob)
        return last is not None and version.isdecimal() and name == f"{blob}_{int(version)}" and int(version) <= last
