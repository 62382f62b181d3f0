"""Operators as older opsets define them, for onnx's reference evaluator, which implements the newer versions only."""

from zoosmith.validation.legacy.registry import legacy_operators as legacy_operators
