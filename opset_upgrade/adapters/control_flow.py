"""Scan: from a batch dimension of its own (8) to none (9)."""

from onnx import NodeProto

from opset_upgrade.registry import adapter
from opset_upgrade.writer import Writer


@adapter("Scan", 8, 9)
def _one_sequence(node: NodeProto, g: Writer) -> None:
    g.refuse("version 8 scans a batch of sequences, version 9 one sequence")


@adapter("Scan", 9, 8)
def _batch_of_sequences(node: NodeProto, g: Writer) -> None:
    g.refuse("version 8 scans a batch of sequences, version 9 one sequence")
