"""Run Caffe2 nets with numpy alone, in float64: the reference that every converted file is held against.

A module holds a family of operators; each operator is one function registered by `registry.operator`.
"""

from zoosmith.validation.interpreter.engine import NetInterpreter, interpret

__all__ = ["NetInterpreter", "interpret"]
