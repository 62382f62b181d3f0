"""How many real models convert to older opsets, and compute the same there.

python benchmarks/real_models.py [--opset 13 ...] [--latency] [--exact] [--names] [FOLDER ...]

Each model of the folders (by default ../shared/models) is converted to each opset below its own. The original and the
result run in ONNX Runtime on random inputs at two assignments of the symbolic sizes, the first two of a list on which
the original runs. A result that differs no more than the original does under inputs changed by rounding is right. Every
model has a process and a time limit. Then the refusals, by how many models each concerns and for how many it is the
only one. With --latency both sides are timed in turns.
"""

import argparse
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoosmith.execution import ProcessDiedError, call_in_process, local_executor
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_model
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.ports import input_ports, symbolic_sizes
from zoosmith.opset_upgrade import OpsetError, convert
from zoosmith.validation import compare, random_inputs
from zoosmith.validation.running.onnx_runtime import OnnxRuntimeRunner

MODELS = Path(__file__).resolve().parents[2] / "shared/models"
SIZES = (2, 3, 5, 8, 16, 17, 32, 64, 96, 128, 1, 256, 512)
# rounds of a timing: at least and at most, and the seconds that it may take beyond the least
ROUNDS, MOST_ROUNDS, SECONDS = 15, 200, 0.3


@dataclass
class Outcome:
    """What became of a model at one opset: `right`, `refused`, `wrong`, `fails` or `unjudged`."""

    opset: int
    word: str
    reasons: list[str] = field(default_factory=list)
    caveats: int = 0
    latency: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[MODELS], metavar="FOLDER")
    parser.add_argument("--opset", action="append", type=int, help="by default 13, 11, 9 and 7")
    parser.add_argument("--latency", action="store_true", help="time each result against its original")
    parser.add_argument("--exact", action="store_true", help="refuse what holds only with a caveat")
    parser.add_argument("--names", action="store_true", help="say what became of each model")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for each model")
    options = parser.parse_args()
    opsets = sorted(options.opset or [13, 11, 9, 7], reverse=True)
    paths = sorted(path for folder in options.folders for path in folder.rglob("*.onnx"))
    found = dict(try_all(paths, opsets, options))
    report(found, opsets, options.latency)


def try_all(paths: list[Path], opsets: list[int], options: Any) -> Iterator[tuple[str, list[Outcome]]]:
    """Each model with its outcomes, in a process of its own."""
    # timings must not disturb each other
    with local_executor(1 if options.latency else None) as executor:
        jobs = [executor.submit(in_process, path, opsets, options) for path in paths]
        for path, job in zip(paths, jobs, strict=True):
            outcomes = job.result()
            yield path.stem, outcomes
            if options.names:
                for each in outcomes:
                    note = f", {each.caveats} caveats" if each.caveats else ""
                    note += f", latency x {each.latency:.2f}" if each.latency else ""
                    print(
                        f"{path.stem:48} {each.opset:>3} {each.word}{note}", *each.reasons, sep="\n        ", flush=True
                    )


def in_process(path: Path, opsets: list[int], options: Any) -> list[Outcome]:
    try:
        import real_models  # a function of a script cannot be sent to another process

        return call_in_process(
            real_models.try_model, options.timeout, path, opsets, exact=options.exact, latency=options.latency
        )
    except (TimeoutError, ProcessDiedError) as error:
        return [Outcome(opset, "fails", [str(error)]) for opset in opsets]


def try_model(path: Path, opsets: list[int], *, exact: bool, latency: bool) -> list[Outcome]:
    """Convert a model to each opset below its own, and run both sides."""
    model = load_model(path)
    before = default_opset(model)
    if before is None:
        return []
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = []
    trouble = ""
    try:
        original = OnnxRuntimeRunner(model)
        names = sorted(symbolic_sizes(port for port in input_ports(model.graph) if port.required))
        for sizes in assignments(names):
            try:
                inputs = random_inputs(model, seed=len(cases), dims=sizes)
                cases.append((inputs, original.run(inputs)))
            except ZoosmithError as error:
                trouble = str(error)
            if len(cases) == 2:
                break
    except ZoosmithError as error:
        trouble = str(error)
    return [try_opset(model, opset, cases, trouble, exact, latency) for opset in opsets if opset < before]


def assignments(names: list[str]) -> Iterator[dict[str, int]]:
    """Sizes of symbolic dimensions: different ones first, then one for all, since some may have to be equal."""
    if not names:
        yield {}
        return
    for size in SIZES:
        yield {name: size + index for index, name in enumerate(names)}
        if len(names) > 1:
            yield dict.fromkeys(names, size)


def try_opset(model: Any, opset: int, cases: list[Any], trouble: str, exact: bool, latency: bool) -> Outcome:
    try:
        conversion = convert(model, opset, exact=exact)
    except OpsetError as error:
        return Outcome(opset, "refused", sorted(set(reasons_of(str(error)))))
    caveats = len(conversion.caveats)
    if not cases:
        return Outcome(opset, "unjudged", [trouble], caveats)
    try:
        runner = OnnxRuntimeRunner(conversion.model)
        for inputs, expected in cases:
            actual = runner.run(inputs)
            comparison = compare(expected, actual)
            if not comparison.passed and not is_noise(OnnxRuntimeRunner(model), inputs, expected, actual):
                return Outcome(opset, "wrong", [str(comparison.reason)], caveats)
    except ZoosmithError as error:
        return Outcome(opset, "fails", [str(error)], caveats)
    ratio = time_both(OnnxRuntimeRunner(model), runner, cases[-1][0]) if latency else None
    return Outcome(opset, "right", [], caveats, ratio)


def is_noise(original: OnnxRuntimeRunner, inputs: dict[str, Any], expected: dict[str, Any], actual: Any) -> bool:
    """Whether the outputs differ no more than the original's do where its inputs change by rounding."""
    moved = {
        name: array * np.float32(1 + 2**-23) if array.dtype == np.float32 else array for name, array in inputs.items()
    }
    noise = original.run(moved)
    for name, wanted in expected.items():
        if not isinstance(wanted, np.ndarray) or wanted.dtype.kind != "f" or wanted.shape != np.shape(actual[name]):
            if not compare({name: wanted}, {name: actual[name]}).passed:
                return False
            continue
        if not np.abs(actual[name] - wanted).max() <= 2 * np.abs(noise[name] - wanted).max():
            return False
    return True


def time_both(original: OnnxRuntimeRunner, converted: OnnxRuntimeRunner, inputs: dict[str, Any]) -> float:
    """The median of the ratios of times, measured in turns: of the runtime alone, without checks of what is fed."""
    ratios: list[float] = []
    sessions = [original.session, converted.session]
    end = time.perf_counter() + SECONDS
    while len(ratios) < ROUNDS or (time.perf_counter() < end and len(ratios) < MOST_ROUNDS):
        times = {}
        for session in sessions:
            start = time.perf_counter()
            session.run(None, inputs)
            times[session] = time.perf_counter() - start
        ratios.append(times[converted.session] / times[original.session])
        sessions.reverse()
    return statistics.median(ratios)


def reasons_of(message: str) -> Iterator[str]:
    """The refusals of an OpsetError, each as the operator and the reason without names."""
    for operator, reason in re.findall(r"\((\w+)\): (.*?)(?=\. node |\. Fixed sizes|$)", message):
        plain = re.sub(r"'[^']*'|\[[^\]]*\]|-?\d[\d.]*", "_", reason.split("; opset")[0])
        yield f"{operator}: {plain}"


def report(found: dict[str, list[Outcome]], opsets: list[int], latency: bool) -> None:
    words = ("right", "refused", "wrong", "fails", "unjudged")
    print(f"{'opset':>6}{'models':>8}" + "".join(f"{word:>10}" for word in words) + f"{'right %':>9}{'caveats':>9}")
    for opset in opsets:
        here = [each for outcomes in found.values() for each in outcomes if each.opset == opset]
        count = Counter(each.word for each in here)
        judged = len(here) - count["unjudged"]
        share = f"{100 * count['right'] / judged:.0f}" if judged else "-"
        with_caveats = sum(each.word == "right" and each.caveats > 0 for each in here)
        print(f"{opset:>6}{len(here):>8}" + "".join(f"{count[w]:>10}" for w in words) + f"{share:>9}{with_caveats:>9}")
        ratios = sorted(each.latency for each in here if each.latency)
        if latency and ratios:
            print(f"{'':14}latency over the original's: median {statistics.median(ratios):.2f}, worst {ratios[-1]:.2f}")
    rank_refusals(found)


def rank_refusals(found: dict[str, list[Outcome]]) -> None:
    """Print the reasons of refusals, those of most models first."""
    models, alone, bites = defaultdict(set), defaultdict(set), defaultdict(set)
    for name, outcomes in found.items():
        for each in outcomes:
            for reason in each.reasons if each.word == "refused" else ():
                models[reason].add(name)
                bites[reason].add(each.opset)
                if len(each.reasons) == 1:
                    alone[reason].add(name)
    print("\nmodels  alone  at           refused")
    for reason in sorted(models, key=lambda each: (-len(models[each]), each)):
        opsets = " ".join(map(str, sorted(bites[reason], reverse=True)))
        print(f"{len(models[reason]):>6}{len(alone[reason]):>7}  {opsets:12} {reason}")
    for name, outcomes in found.items():
        for each in outcomes:
            if each.word in ("wrong", "fails", "unjudged"):
                print(f"{name} at {each.opset} {each.word}: {each.reasons[0][:300]}")


if __name__ == "__main__":
    main()
