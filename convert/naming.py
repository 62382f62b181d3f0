"""Names for ONNX: Caffe2 rewrites blobs, ONNX gives every value one name for ever."""

from collections.abc import Iterable, Sequence

from convert.errors import ConvertError
from convert.proto.caffe2_pb2 import OperatorDef

STYLES = ("zoo", "caffe2")


class Names:
    """The ONNX name of every version of every blob, and names for helper nodes that meet none of them.

    Version 0 is what a blob holds before the net runs; every write makes the next one. Style `zoo` always appends the
    version (`conv1_w_0`), style `caffe2` only where a blob has more than one.
    """

    def __init__(self, ops: Sequence[OperatorDef], external_inputs: Iterable[str], style: str) -> None:
        if style not in STYLES:
            raise ConvertError(f"names={style!r}: expected one of {', '.join(STYLES)}")
        first: dict[str, int] = dict.fromkeys(external_inputs, 0)
        last: dict[str, int] = dict(first)
        for op in ops:
            for blob in op.input:
                if blob not in first:
                    first[blob] = last[blob] = 0
            for blob in op.output:
                version = last.get(blob, 0) + 1
                first.setdefault(blob, version)
                last[blob] = version
        self._used: set[str] = set()
        self._names: dict[tuple[str, int], str] = {}
        suffixed = []
        for blob, version in first.items():
            if style == "zoo" or not blob or (version != 0 and version != last[blob]):
                suffixed.append((blob, version))
            else:
                self._names[blob, version] = blob
                self._used.add(blob)
            suffixed += [(blob, later) for later in range(version + 1, last[blob] + 1)]
        # after the unversioned ones, since a blob may be called X_1 beside a rewritten X
        for blob, version in suffixed:
            self._names[blob, version] = self.unused(f"{blob}_{version}")
        self._helpers = 0

    def name(self, blob: str, version: int) -> str:
        """Give the name of a version of a blob."""
        return self._names[blob, version]

    def unused(self, wanted: str) -> str:
        """Reserve `wanted`, lengthened until no other value has it."""
        while wanted in self._used:
            wanted += "_"
        self._used.add(wanted)
        return wanted

    def helper(self) -> str:
        """Reserve a name for a value that stands for no blob."""
        name = self.unused(f"OC2_DUMMY_{self._helpers}")
        self._helpers += 1
        return name
