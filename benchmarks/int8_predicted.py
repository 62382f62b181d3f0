"""What the tables of costs say of nets, beside what is measured: of whole models, and of each operator.

python benchmarks/int8_predicted.py [--operators 0] [--size SIZE] [--min-cosine -1] [--rounds 31]
    [MODEL.onnx | FOLDER | NAME ...]

For each net the speed of the integer file over the float one, predicted and measured in turns on one thread, and
whether the command has its notice that no speed-up is to be expected where it should. `--operators 8` adds the 8 of
each side that take longest: microseconds by the tables, and by ONNX Runtime's profiler for the kernels that it runs.
`--size` is that of the open sizes of random inputs; without a limit of the cosine every layer is as the tables say.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import int8_real_models as real_models
import numpy as np
import onnx
from int8_costs import kernel_times
from int8_nets import NETS
from net_samples import random_cases

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.opset_upgrade import convert_version
from zoosmith.optimize import to_proto
from zoosmith.quantize import quantize_within
from zoosmith.quantize.plan.costs import step_cost
from zoosmith.quantize.plan.expected_speed import slow_plan
from zoosmith.quantize.plan.float_time import float_time, may_be_integer
from zoosmith.quantize.plan.partition import units
from zoosmith.quantize.plan.planning import integer_nodes, tensor_shapes
from zoosmith.quantize.quantizer import fold, rewrite


def lost(exact: onnx.ModelProto, cases: list[Any], found: onnx.ModelProto) -> float:
    """1 less the cosine."""
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(temporary) / name for name in ("float.onnx", "integer.onnx")]
        for model, path in zip((exact, found), paths, strict=True):
            onnx.save(model, path)
        before, after = map(real_models.session, paths)
        return 1 - real_models.cosine_of(before, after, cases)


def predicted_operators(model: onnx.ModelProto, samples: list[Any]) -> list[Counter[str]]:
    """Microseconds of each operator by the tables, of the float model and of the integer one, conversions left out."""
    folded = fold(model)
    prepared = rewrite(folded.clone())
    shapes = tensor_shapes(prepared, to_proto(prepared), samples)
    integer = integer_nodes(prepared, shapes)
    sides: list[Counter[str]] = [Counter(), Counter()]
    for step in units(folded):
        sides[0][step.node.op_type] += float_time([step], shapes)
    for step in units(prepared):
        is_integer = may_be_integer(step, shapes) and step.name in integer
        time = step_cost(step, shapes)[1] if is_integer else float_time([step], shapes)
        sides[1][f"{step.node.op_type}{' in integers' if is_integer else ''}"] += time
    return sides


def longest(times: Counter[str], count: int) -> str:
    return ", ".join(f"{name} {time:.0f}" for name, time in times.most_common(count))


def measured(name: str, model: onnx.ModelProto, arguments: argparse.Namespace) -> None:
    if (default_opset(model) or 0) < 13:
        model = convert_version(model, 13)
    size = arguments.size
    samples = random_cases(model, 24, [size]) if size else real_models.samples_of(name, model, 24)
    held_out = samples[16:]
    limit = 1 - arguments.min_cosine

    def drop_of(other: onnx.ModelProto) -> float:
        return lost(model, held_out, other) if limit < 2 else 0.0

    found = quantize_within(model, samples[:16], drop_of, limit)
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(temporary) / word for word in ("float.onnx", "integer.onnx")]
        for each, path in zip((model, found.model), paths, strict=True):
            onnx.save(each, path)
        _, speed = real_models.speeds([real_models.session(path) for path in paths], samples[:2], arguments.rounds)
    ratio = found.time.float_model / found.time.planned if found.time.planned else np.nan
    words = real_models.verdict(speed, slow_plan(found.time))
    print(f"{name}: predicted {ratio:.2f}, measured {speed:.2f} x, {words}", flush=True)
    if arguments.operators:
        count, sides = arguments.operators, predicted_operators(model, samples[:1])
        for word, times, each in zip(("float", "integer"), sides, (model, found.model), strict=True):
            print(f"  {word}, predicted: {longest(times, count)}")
            print(f"  {word}, measured: {longest(kernel_times(each, 30, samples[0]), count)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=[str(real_models.MODELS)])
    parser.add_argument("--operators", type=int, default=0)
    parser.add_argument("--size", type=int)
    parser.add_argument("--min-cosine", type=float, default=-1.0)
    parser.add_argument("--rounds", type=int, default=31)
    arguments = parser.parse_args()
    for given in arguments.models:
        for source in map(str, sorted(Path(given).glob("*.onnx"))) if Path(given).is_dir() else [given]:
            try:
                measured(Path(source).stem, NETS[source]() if source in NETS else onnx.load(source), arguments)
            except Exception as error:  # one net is no reason to leave the others out
                print(f"{Path(source).stem}: not measured: {first_line(error)}"[:120], flush=True)


if __name__ == "__main__":
    main()
