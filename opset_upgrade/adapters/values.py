"""Attributes whose values grew: the schema looks the same on both sides of the step."""

from collections.abc import Callable

from onnx import NodeProto

from opset_upgrade.registry import adapter
from opset_upgrade.writer import Writer


def _only(name: str, allowed: set[str]) -> Callable[[NodeProto, Writer], None]:
    def check(node: NodeProto, g: Writer) -> None:
        value = g.attribute(name)
        if value not in allowed:
            g.refuse(f"attribute {name}={value!r} does not exist there")

    return check


adapter("ScatterElements ScatterND", 18, 16)(_only("reduction", {"none", "add", "mul"}))
