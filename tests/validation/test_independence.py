"""What proves shares no code with what it proves: the interpreter with the translators, the legacy operators with the
opset adapters."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import zoosmith.validation.interpreter
import zoosmith.validation.legacy
from tests.validation.caffe2_nets import net_of
from zoosmith.convert import ConvertError, caffe2_to_onnx, unread_operators
from zoosmith.validation import OnnxRuntimeRunner, ValidationError, compare, interpret

# Module -> the names that may be taken from it; None for any.
_COMMON = {"zoosmith.onnx_model.registry": None, "zoosmith.validation.errors": None}
_TIME = {"zoosmith.validation.running.clock": {"Clock"}, "zoosmith.validation.running.run_limit": {"run_limit"}}
_READER = {"zoosmith.convert": {"NetSource", "read_net"}, "zoosmith.convert.proto.caffe2_pb2": None}
ALLOWED = {
    zoosmith.validation.interpreter: {**_COMMON, **_TIME, **_READER},
    zoosmith.validation.legacy: _COMMON,
}


def imports_of(source: str) -> Iterator[tuple[str, str | None]]:
    """Each imported module, with the name taken from it; also imports inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (("." * node.level + (node.module or ""), alias.name) for alias in node.names)


@pytest.mark.parametrize("package", ALLOWED, ids=lambda package: package.__name__)
def test_a_package_that_proves_imports_only_what_it_may_share(package):
    allowed, own = ALLOWED[package], package.__name__
    modules = sorted(Path(package.__path__[0]).rglob("*.py"))
    assert len(modules) > 5
    for path in modules:
        for module, name in imports_of(path.read_text()):
            if module.partition(".")[0] not in {"zoosmith", ""} or f"{module}.".startswith(f"{own}."):
                continue
            assert module in allowed, f"{path.name} imports {module}"
            names = allowed[module]
            assert names is None or name in names, f"{path.name} imports {name} from {module}"


def test_a_run_of_the_interpreter_loads_of_the_translators_only_the_reader_of_nets():
    program = """
import sys
import numpy as np
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation.interpreter.engine import interpret
from zoosmith.validation.interpreter.registry import KERNELS
net = NetDef(external_input=["x"], external_output=["y"])
net.op.add(type="Relu", input=["x"], output=["y"])
net.op.add(type="Summarize", input=["x"], output=["s"])
assert interpret(net.SerializeToString(), None, {"x": np.float32([-1, 2])})["y"].tolist() == [0, 2]
assert len(KERNELS.entries()) > 200
print(*(name for name in sys.modules if name.startswith("zoosmith.convert")), sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    parts = {"", ".errors", ".nets", ".proto", ".proto.caffe2_pb2"}
    assert set(done.stdout.split()) <= {f"zoosmith.convert{part}" for part in parts}


def test_a_fault_in_the_translators_rule_of_unread_operators_is_found(monkeypatch):
    # `b` is the memory of `a`: the unknown operator changes what Sqr reads
    steps = [("Relu", "x", "a"), ("Alias", "a", "b"), ("SomeUnknownOp", "b", "b"), ("Sqr", "a", "y")]
    net = net_of(*steps)
    inputs = {"x": (1, [2, 3])}
    with pytest.raises(ConvertError):
        caffe2_to_onnx(net, None, inputs=inputs)

    def without_guard(ops, outputs, candidates):
        read, dropped = set(outputs), set()
        for place in reversed(range(len(ops))):
            if ops[place].output and place in candidates and not read.intersection(ops[place].output):
                dropped.add(place)
            else:
                read.update(ops[place].input)
        return dropped

    monkeypatch.setattr(unread_operators, "unread_operators", without_guard)
    caffe2_to_onnx(net, None, inputs=inputs)
    with pytest.raises(ValidationError, match="does not know the Caffe2 operator 'SomeUnknownOp'"):
        interpret(net, None, {"x": np.ones((2, 3), np.float32)})


def test_a_fault_in_a_translator_is_found():
    net = net_of(("Relu", "x", "y"))
    model = caffe2_to_onnx(net, None, inputs={"x": (1, [2])})
    model.graph.node[0].op_type = "Abs"
    x = np.float32([-1, 2])
    (wrong,) = OnnxRuntimeRunner(model).run({model.graph.input[0].name: x}).values()
    assert not compare(interpret(net, None, {"x": x}), {"y": wrong}).passed
