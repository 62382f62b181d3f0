"""Convert random nodes and small nets to random opsets; hold the result against the original in ONNX Runtime.

    python -m tests.opset_search --count 20000 --seed 1 --folder build/opset-search
    python -m tests.opset_search --seed 1 --only 1234

A net begins with the node of one of onnx's backend tests. Its sizes, values, attributes and opset are changed at
random; values become parameters, sizes symbolic; a second node of another test may read the result. What ONNX Runtime
does not run is skipped, and so is what the conversion refuses. A finding is another value, type or shape, a result that
does not run, an exception of another kind, a process that the conversion or its result ends. Where ONNX Runtime and
onnx's reference evaluator differ on the original, the result may be as either says: it is `disputed`, and no finding,
where it is as the evaluator says. One that does not run is a finding whatever the evaluator says, since ONNX Runtime
ran the original. A net whose own results change with the last digits of its values is `unstable`: kernels may round
another way.

Seed and number make a net, whatever was made before it. The folder keeps the findings and what was done, so that a run
goes on where it was ended. The exit code is 1 where something was found.
"""

import argparse
import json
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, NodeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.opset_upgrade.node_cases import assert_same, cases_by_operator, data
from zoosmith.opset_upgrade import OpsetError, convert
from zoosmith.validation import OnnxRuntimeRunner, ValidationError
from zoosmith.validation.running.choice import onnx_runtime_has

# their results are random, or of types that differ by build
_LEFT_OUT = {"RandomNormalLike", "RandomUniformLike", "RandomNormal", "RandomUniform", "Bernoulli", "Multinomial"}
# of what is no number kernels of two opsets may differ; tests of their own hold infinities where operators define them
_EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 1e-6, 1e6)
_OLDEST = 7
_LARGEST = 3000
_SECONDS = 20.0
_RESULTS = ("same", "wrong", "does not run", "error", "ended", "disputed", "unstable", "refused", "skipped")
_FOUND = ("wrong", "does not run", "error", "ended")


@cache
def _opsets() -> list[int]:
    return [each for each in range(_OLDEST, onnx.defs.onnx_opset_version() + 1) if onnx_runtime_has(each)]


@cache
def _cases() -> list[tuple[str, list[Any]]]:
    """The small cases of one node by operator; subgraphs stay as they are."""
    found = []
    for operator, cases in sorted(cases_by_operator().items()):
        small = [
            case
            for case in cases
            if len(case.model.graph.node) == 1 and case.model.ByteSize() < _LARGEST and case.data_sets
        ]
        if small and operator not in _LEFT_OUT:
            found.append((operator, small))
    return found


@cache
def _texts() -> dict[tuple[str, str], list[bytes]]:
    """The texts that attributes of operators have in any case."""
    seen: dict[tuple[str, str], dict[bytes, None]] = {}
    for operator, cases in _cases():
        for case in cases:
            for attribute in case.model.graph.node[0].attribute:
                if attribute.type == AttributeProto.STRING:
                    seen.setdefault((operator, attribute.name), {})[attribute.s] = None
    return {key: list(texts) for key, texts in seen.items()}


class Net:
    """A random net: its model and the values that it is run on."""

    def __init__(self, seed: int, number: int) -> None:
        self.draw = Random(f"{seed}/{number}")
        self.opset = self.draw.choice(_opsets())
        self.nodes: list[NodeProto] = []
        self.values: dict[str, Any] = {}
        self.add(self._case())

    def _case(self) -> Any:
        _, cases = self.draw.choice(_cases())
        return self.draw.choice(cases)

    def add(self, case: Any, first: Any = None) -> None:
        """Add the node of a case; its first input is the last result, whose value is `first`."""
        node = NodeProto()
        node.CopyFrom(case.model.graph.node[0])
        arrays = data(case.data_sets[0][0])
        named = dict(zip((value.name for value in case.model.graph.input), arrays, strict=True))
        prefix = f"n{len(self.nodes)}_"
        values = self._changed({name: named[name] for name in node.input if name in named})
        joined = first is not None and bool(node.input) and isinstance(first, np.ndarray)
        previous = self.nodes[-1].output[0] if self.nodes else ""
        if joined:
            values.pop(node.input[0], None)
        for index, name in enumerate(node.input):
            node.input[index] = previous if joined and index == 0 else prefix + name if name else ""
        for index, name in enumerate(node.output):
            node.output[index] = prefix + "out_" + name if name else ""
        self.values |= {prefix + name: value for name, value in values.items()}
        self._change_attributes(node)
        self.nodes.append(node)

    def _changed(self, values: dict[str, Any]) -> dict[str, Any]:
        draw = self.draw
        sizes: dict[int, int] = {}
        reshaped = draw.random() < 0.5
        changed = {}
        for name, value in values.items():
            if not isinstance(value, np.ndarray):
                changed[name] = value
                continue
            shape = value.shape
            if reshaped:
                for size in shape:
                    sizes.setdefault(size, size if draw.random() < 0.6 else draw.choice([1, 1, 2, 3, 4, 5]))
                shape = tuple(sizes[size] for size in shape)
            changed[name] = self._value(value, shape)
        return changed

    def _value(self, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        random = np.random.RandomState(self.draw.getrandbits(32))
        kept = np.resize(value, shape) if value.size else np.zeros(shape, value.dtype)
        if value.dtype.kind == "f" and self.draw.random() < 0.7:
            made = random.standard_normal(shape) * self.draw.choice([0.3, 1.0, 3.0])
            edged = random.random_sample(shape) < self.draw.choice([0, 0, 0.2])
            return np.where(edged, random.choice(_EDGES, shape), made).astype(value.dtype)
        if value.dtype.kind in "iu" and value.size and self.draw.random() < 0.4:
            low, high = int(value.min()), int(value.max())
            limits = np.iinfo(value.dtype)
            drawn = random.randint(max(low - 1, limits.min), min(high + 1, 2**31 - 1) + 1, shape, dtype=np.int64)
            return np.clip(drawn, limits.min, limits.max).astype(value.dtype)
        return kept

    def _change_attributes(self, node: NodeProto) -> None:
        draw = self.draw
        for attribute in list(node.attribute):
            if draw.random() < 0.6:
                continue
            if draw.random() < 0.2:
                node.attribute.remove(attribute)
            elif attribute.type == AttributeProto.INT and attribute.name not in ("to", "dtype", "output_dtype"):
                attribute.i = draw.choice([0, 1, 1 - attribute.i, attribute.i - 1, attribute.i + 1, -attribute.i])
            elif attribute.type == AttributeProto.INTS and attribute.ints:
                attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice([0, 1, 2, 3, -1])
            elif attribute.type == AttributeProto.FLOAT:
                attribute.f = draw.choice([0.0, 1.0, -attribute.f, attribute.f * 2, 0.5])
            elif attribute.type == AttributeProto.STRING:
                attribute.s = draw.choice(_texts()[node.op_type, attribute.name])

    def grow(self) -> None:
        """Let a node of another case read the first result, where it has one that it can read."""
        result = next(iter(OnnxRuntimeRunner(self.model(), threads=1).run(self.values).values()))
        if isinstance(result, np.ndarray):
            self.add(self._case(), result)

    def model(self) -> ModelProto:
        """The model: values are parameters or inputs, and the sizes of inputs known or not."""
        draw = self.draw
        inputs, parameters = [], []
        for name, value in self.values.items():
            if isinstance(value, np.ndarray) and draw.random() < 0.35:
                parameters.append(numpy_helper.from_array(value, name))
                continue
            inputs.append(_port(name, value, open_sizes=draw.random() < 0.4))
        outputs = [
            helper.make_empty_tensor_value_info(name) for node in self.nodes[-1:] for name in node.output if name
        ]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, parameters)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)

    def fed(self, model: ModelProto) -> dict[str, Any]:
        """The values of the inputs."""
        return {value.name: self.values[value.name] for value in model.graph.input}


def _port(name: str, value: Any, *, open_sizes: bool) -> onnx.ValueInfoProto:
    if not isinstance(value, np.ndarray):
        raise ValueError("sequences and optionals are left to the tests")
    sizes = [f"{name}_{axis}" if open_sizes else size for axis, size in enumerate(value.shape)]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), sizes)


def search(seed: int, number: int) -> tuple[str, str, ModelProto | None]:
    """Make a net and convert it.

    Returns:
        What became of it (one of `same`, `wrong`, ...), a line on it, and the model where there is one.
    """
    try:
        with np.errstate(all="ignore"):
            net = Net(seed, number)
            if net.draw.random() < 0.4:
                net.grow()
            model = net.model()
        _refuse_misread(model, net.values)
        runner = OnnxRuntimeRunner(model, threads=1, timeout=_SECONDS)
        fed = net.fed(model)
        expected = runner.run(fed)
        _check_shapes(model, expected)
    except Exception as error:  # of random nets most are none
        return "skipped", type(error).__name__, None
    target = net.draw.choice(_opsets())
    kinds = ", ".join(node.op_type for node in net.nodes)
    about = f"{kinds}: {net.opset} -> {target}"
    print(f"converting {about}", flush=True)
    try:
        converted = convert(model, target, exact=True).model
    except OpsetError:
        return "refused", about, model
    except Exception as error:
        return "error", f"{about}: {error!r}\n{traceback.format_exc(limit=-3)}", model
    result, about = _held(converted, fed, expected, about)
    if result == "wrong" and _is_disputed(model, converted, fed, expected):
        result = "disputed"
    if result == "wrong" and _is_unstable(model, fed, expected):
        result = "unstable"
    return result, about, model


def _held(converted: ModelProto, fed: dict[str, Any], expected: dict[str, Any], about: str) -> tuple[str, str]:
    try:
        actual = OnnxRuntimeRunner(converted, threads=1, timeout=_SECONDS).run(fed)
    except ValidationError as error:
        # a kernel that this ONNX Runtime lacks is no fault of the conversion
        return ("skipped" if "NOT_IMPLEMENTED" in str(error) else "does not run"), f"{about}: {error}"
    for one, other in zip(expected.values(), actual.values(), strict=True):
        differs = _difference(one, other)
        if differs:
            return "wrong", f"{about}: {' '.join(differs.split())[:300]}"
    return "same", about


def _difference(one: Any, other: Any) -> str:
    """What differs between two values beyond rounding; empty for nothing."""
    coarse = getattr(one, "dtype", None) == np.float16
    scale = float(np.nanmax(np.abs(one[np.isfinite(one)]), initial=0)) if _is_float(one) else 0
    try:
        assert_same(one, other, rtol=1e-2 if coarse else 1e-3, atol=(1e-3 if coarse else 1e-5) * max(scale, 1.0))
    except AssertionError as error:
        return str(error) or "another value"
    return ""


def _is_disputed(model: ModelProto, converted: ModelProto, fed: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether the reference evaluator says of the original what the conversion makes, and ONNX Runtime does not."""
    try:
        with np.errstate(all="ignore"):
            stated = ReferenceEvaluator(model).run(None, fed)
    except Exception:  # it raises what it comes upon
        return False
    actual = OnnxRuntimeRunner(converted, threads=1, timeout=_SECONDS).run(fed)
    given = zip(expected.values(), stated, actual.values(), strict=True)
    return all(not _difference(one, other) or not _difference(right, other) for one, right, other in given)


def _check_shapes(model: ModelProto, results: dict[str, Any]) -> None:
    """Raise ValueError where a result is of another shape than inference states: then inputs do not fit each other."""
    for value in model.graph.output:
        found = getattr(results[value.name], "shape", None)
        if found is None or not value.type.tensor_type.HasField("shape"):
            continue
        dims = value.type.tensor_type.shape.dim
        fits = [not dim.HasField("dim_value") or dim.dim_value == size for dim, size in zip(dims, found, strict=False)]
        if len(dims) != len(found) or not all(fits):
            raise ValueError(f"{value.name} is of {found}, not {[dim.dim_value or dim.dim_param for dim in dims]}")


def _refuse_misread(model: ModelProto, values: dict[str, Any]) -> None:
    """Raise ValueError for what ONNX Runtime computes otherwise than the operator's text says, or beyond it.

    A Resize that keeps the ratio of sizes leaves axes as they are that count from the end (1.32). A reduction takes an
    axis that is named twice, which onnx's evaluator refuses.
    """
    for node in model.graph.node:
        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        keeps_ratio = given.get("keep_aspect_ratio_policy", b"stretch") != b"stretch"
        if node.op_type == "Resize" and keeps_ratio and min(given.get("axes", [0])) < 0:
            raise ValueError(f"axes {given['axes']} of a Resize that keeps ratios")
        if node.op_type.startswith("Reduce") and len(node.input) > 1:
            axes = values.get(node.input[1])
            rank = _rank(model, node.input[0])
            if axes is not None and rank and len({axis % rank for axis in axes}) < len(axes):
                raise ValueError(f"axes {axes.tolist()} of a reduction name one twice")


def _rank(model: ModelProto, name: str) -> int:
    """How many dimensions a value has; 0 where that is not known."""
    graph = model.graph
    known = {value.name: len(value.type.tensor_type.shape.dim) for value in (*graph.input, *graph.value_info)}
    return {**known, **{tensor.name: len(tensor.dims) for tensor in graph.initializer}}.get(name, 0)


def _is_unstable(model: ModelProto, fed: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether the original gives other results for values that differ in their last digits."""
    random = np.random.RandomState(0)

    def near(value: Any) -> Any:
        if not _is_float(value):
            return value
        step = 4 * np.finfo(value.dtype).eps
        with np.errstate(all="ignore"):
            return (value * (1 + step * random.uniform(-1, 1, value.shape))).astype(value.dtype)

    moved = ModelProto()
    moved.CopyFrom(model)
    for tensor in moved.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(near(numpy_helper.to_array(tensor)), tensor.name))
    found = OnnxRuntimeRunner(moved, threads=1, timeout=_SECONDS).run({name: near(each) for name, each in fed.items()})
    return any(_difference(one, other) for one, other in zip(expected.values(), found.values(), strict=True))


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _alone(given: argparse.Namespace, first: int) -> None:
    """Search in this process; each line is told before the next net, as any of them may end the process."""
    _texts()
    for number in range(first, given.count):
        print(f"begin {number}", flush=True)
        result, about, model = search(given.seed, number)
        if result in _FOUND and model is not None:
            _keep(given.folder, number, result, about, model)
        print(f"end {result}", flush=True)


def _keep(folder: Path, number: int, result: str, about: str, model: ModelProto) -> None:
    found = folder / "findings"
    found.mkdir(parents=True, exist_ok=True)
    onnx.save(model, found / f"{number}.onnx")
    (found / f"{number}.txt").write_text(f"{result}: {about}\n")


def _run(given: argparse.Namespace) -> Counter[str]:
    """Let processes search until all is done; one that ended is followed by another, from the next number on."""
    state = given.folder / f"seed-{given.seed}.json"
    done = json.loads(state.read_text()) if state.exists() else {"next": 0, "counts": {}}
    counts = Counter(done["counts"])
    following = done["next"]
    while following < given.count:
        words = [*_words(given), "--alone", str(following)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            number, converting = following, ""
            for line in process.stdout:
                kind, _, rest = line.strip().partition(" ")
                if kind == "begin":
                    number, converting = int(rest), ""
                elif kind == "converting":
                    converting = rest
                elif kind == "end":
                    counts[rest] += 1
                    following = number + 1
                    if following % 50 == 0:
                        state.write_text(json.dumps({"next": following, "counts": counts}))
        if following < given.count:
            # before it is converted, the original has ended the process
            counts["ended" if converting else "skipped"] += 1
            if converting:
                (given.folder / "findings").mkdir(exist_ok=True)
                (given.folder / "findings" / f"{number}.txt").write_text(f"ended: {converting}\n")
            following = number + 1
        state.write_text(json.dumps({"next": following, "counts": counts}))
    return counts


def _words(given: argparse.Namespace) -> list[str]:
    place = ["--seed", str(given.seed), "--count", str(given.count), "--folder", str(given.folder)]
    return [sys.executable, "-m", "tests.opset_search", *place]


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, print the counts and where the findings are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="nets of this seed, with those of earlier runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of one net, which is made again")
    parser.add_argument("--folder", type=Path, default=Path("build/opset-search"), help="keeps findings and counts")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.alone is not None:
        _alone(given, given.alone)
        return 0
    if given.only is not None:
        result, about, model = search(given.seed, given.only)
        print(f"{result}: {about}", model and onnx.printer.to_text(model), sep="\n")
        return int(result in _FOUND)
    given.folder.mkdir(parents=True, exist_ok=True)
    counts = _run(given)
    print(f"{sum(counts.values()):,} nets: " + ", ".join(f"{counts[each]:,} {each}" for each in _RESULTS))
    findings = sorted((given.folder / "findings").glob("*.txt"))
    print(*(f"  {path}: {path.read_text().splitlines()[0]}" for path in findings), sep="\n")
    return int(any(counts[each] for each in _FOUND))


if __name__ == "__main__":
    sys.exit(main())
