"""Score our opset converter and onnx's on onnx's own backend node tests, side by side.

usage: opset_coverage.py [--step N] [--converters ours,onnx] [--json OUT.json]

Every node test of the default domain (every N-th) goes to each target opset. A result is checked with
onnx.checker(full_check=True) and run on the test's data: by ONNX Runtime, else by onnx's reference evaluator completed
with this project's legacy operators. A case is feasible when each of its operators exists at the target and takes the
case's types there; the others can only be reached by decomposition. The rows:

  right        converted, valid, and the outputs are those of the test
  raised       the converter refused
  invalid      the checker refuses the result
  wrong        the outputs differ
  not run      nothing here can run the result
  harness      the test's own model, unconverted, is not right either: random operators, kernels that differ

What is invalid, wrong or not run by our converter, and every test of the last row, is listed with its reason.
"""

import argparse
import collections
import json
import os
import queue
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any

os.environ.setdefault("ORT_LOGGING_LEVEL", "4")
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
from onnx import ModelProto, TensorProto, checker, numpy_helper, version_converter  # noqa: E402
from onnx.backend.test.case.node import collect_testcases  # noqa: E402

from zoosmith.opset_upgrade import convert_version  # noqa: E402
from zoosmith.opset_upgrade.schemas import NEWEST_OPSET, formals, parameter_types, schema_at, type_string  # noqa: E402
from zoosmith.validation import ReferenceRunner, runner_for  # noqa: E402

TARGETS = sorted({NEWEST_OPSET, 24, 21, 18, 17, 15, 13, 12, 11, 10, 9, 8, 7, 6, 3}, reverse=True)
CONVERTERS: dict[str, Callable[[ModelProto, int], ModelProto]] = {
    "ours": convert_version,
    "onnx": version_converter.convert_version,
}
OUTCOMES = ("right", "raised", "invalid", "wrong", "not run", "harness")
PATIENCE = 60  # seconds without an answer after which a kernel is taken to hang
Result = tuple[str, str, int, int, str, str]
"""Converter, test, source opset, target opset, outcome, reason."""


def main_domain_opset(model: ModelProto) -> int | None:
    if any(entry.domain not in ("", "ai.onnx") for entry in model.opset_import):
        return None
    return model.opset_import[0].version


def feasible(model: ModelProto, target: int) -> bool:
    graph = model.graph
    types = {v.name: type_string(v.type) for v in (*graph.input, *graph.output, *graph.value_info)}
    for node in graph.node:
        schema = schema_at(node.op_type, target)
        if schema is None:
            return False
        for parameters, names in ((schema.inputs, node.input), (schema.outputs, node.output)):
            for formal, name in formals(parameters, names):
                found = types.get(name)
                if found and found.startswith("tensor") and found not in parameter_types(node.op_type, target, formal):
                    return False
    return True


def plain(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def close(expected: Any, actual: Any, rtol: float, atol: float) -> bool:
    if isinstance(expected, list | tuple) or isinstance(actual, list | tuple):
        return len(expected) == len(actual) and all(
            close(e, a, rtol, atol) for e, a in zip(expected, actual, strict=True)
        )
    if expected is None or actual is None:
        return expected is actual
    expected, actual = np.asarray(expected), np.asarray(actual)
    if expected.shape != actual.shape:
        return False
    if expected.dtype.kind in "OUS":
        return bool((expected.astype(str) == actual.astype(str)).all())
    if expected.dtype.kind != "c":
        expected, actual = expected.astype(np.float64), actual.astype(np.float64)
    return np.allclose(expected, actual, rtol=max(rtol, 1e-3), atol=max(atol, 1e-5), equal_nan=True)


def judge(model: ModelProto, case: Any, runners: tuple[Any, ...] = (runner_for, ReferenceRunner)) -> tuple[str, str]:
    """Outcome and reason of a model that should compute what the test says."""
    try:
        checker.check_model(model, full_check=True)
    except Exception as error:
        return "invalid", first_line(error)
    given = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in given]
    reason = ""
    for make in runners:
        try:
            runner = make(model)
            for inputs, outputs in case.data_sets:
                results = runner.run(dict(zip(names, map(plain, inputs), strict=False)))
                for expected, actual in zip(map(plain, outputs), results.values(), strict=True):
                    if not close(expected, actual, case.rtol, case.atol):
                        return "wrong", f"by {type(runner).__name__}"
            return "right", ""
        except Exception as error:
            reason = first_line(error)
    return "not run", reason


def outputs_wrong(case: Any) -> bool:
    """Whether the reference evaluator is not right about the unconverted test."""
    return judge(case.model, case, (ReferenceRunner,))[0] != "right"


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:160]


def results_of(case: Any, converters: list[str]) -> Iterator[Result]:
    source = main_domain_opset(case.model)
    if source is None:
        return
    base, why = judge(case.model, case)
    for target in TARGETS:
        if target == source:
            continue
        for name in converters:
            try:
                converted = CONVERTERS[name](case.model, target)
            except Exception as error:
                yield name, case.name, source, target, "raised", first_line(error)
                continue
            if main_domain_opset(converted) != target:
                yield name, case.name, source, target, "invalid", "the opset is not the one asked for"
                continue
            outcome, reason = judge(converted, case)
            if outcome != "right" and base != "right":
                outcome, reason = "harness", f"unconverted it is {base} {why}".strip()
            elif outcome == "wrong" and reason.endswith("ReferenceRunner") and outputs_wrong(case):
                outcome, reason = "harness", "the reference evaluator is wrong on it unconverted, too"
            yield name, case.name, source, target, outcome, reason


def child(todo: list[int], converters: list[str], answers: Any) -> None:
    cases = collect_testcases()
    for index in todo:
        answers.put(("start", index, []))
        answers.put(("done", index, list(results_of(cases[index], converters))))
    answers.put(("end", -1, []))


def measure(todo: list[int], converters: list[str], names: list[str]) -> list[Result]:
    """Run the tests in a process of their own, which is restarted after a kernel crashed or hung."""
    found: list[Result] = []
    context = get_context("spawn")
    while todo:
        answers = context.Queue()
        process = context.Process(target=child, args=(todo, converters, answers))
        process.start()
        current, last, ended = None, time.monotonic(), False
        while not ended:
            try:
                kind, index, rows = answers.get(timeout=2)
            except queue.Empty:
                if not process.is_alive() or time.monotonic() - last > PATIENCE:
                    break
                continue
            last = time.monotonic()
            if kind == "start":
                current = index
            elif kind == "done":
                found.extend(rows)
                todo, current = [other for other in todo if other != index], None
            else:
                ended = True
        process.terminate()
        process.join()
        if ended:
            break
        if current is not None:
            found.append(("-", names[current], 0, 0, "harness", "a kernel crashed or hung"))
            todo = [other for other in todo if other != current]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--converters", default="ours,onnx")
    parser.add_argument("--json")
    options = parser.parse_args()
    converters = options.converters.split(",")
    cases = collect_testcases()
    models = {case.name: case.model for case in cases}
    todo = list(range(0, len(cases), options.step))
    found = measure(todo, converters, [case.name for case in cases])
    table: collections.Counter = collections.Counter()
    for name, test, source, target, outcome, _ in found:
        if source:
            kind = "upgrade" if target > source else "downgrade"
            kind += "" if feasible(models[test], target) else ", needs decomposition"
            table[kind, name, outcome] += 1
    print(f"onnx {onnx.__version__}, {len(todo)} node tests, targets {TARGETS}")
    print(f"{'':36}{'':8}" + "".join(f"{outcome:>9}" for outcome in OUTCOMES) + "   right of all, of what can be run")
    for kind in sorted({key[0] for key in table}):
        for name in converters:
            row = [table[kind, name, outcome] for outcome in OUTCOMES]
            runnable = sum(row) - row[-1] - row[-2]
            shares = f"   {row[0] / sum(row):7.1%} {row[0] / max(runnable, 1):7.1%}"
            print(f"{kind:36}{name:8}" + "".join(f"{count:9}" for count in row) + shares)
    listed: dict[tuple[str, str, str], list[int]] = collections.defaultdict(list)
    for name, test, _, target, outcome, reason in found:
        if name in ("ours", "-") and outcome in OUTCOMES[2:]:
            listed[outcome, test, reason].append(target)
    for (outcome, test, reason), targets in sorted(listed.items()):
        print(f"{outcome}: {test} -> {','.join(map(str, sorted(targets)))}: {reason}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(found, file)


if __name__ == "__main__":
    main()
