"""Of the files that opset conversion gives, how many load in the runtime that they are for, and agree there.

python benchmarks/old_runtimes.py [--runtime onnxruntime==1.6 ...] [--opset 11 ...] [--size 64] [--names] [FOLDER ...]

Each model of the folders (by default ../shared/models) is converted to each opset that the runtime takes and that is
not above the model's own. The converted file runs in the runtime, the original in the ONNX Runtime installed here, on
the same inputs. The same original in the same runtime, as it was, is the other side. Runtimes have to be installed:
`zoosmith runtime install`.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_model
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.ports import input_ports, symbolic_sizes
from zoosmith.opset_upgrade import convert, convert_version
from zoosmith.validation import random_inputs, runner_for
from zoosmith.validation.runtimes import PinnedRuntime, find_environment, runtime_for, supported, targets
from zoosmith.validation.runtimes.process import WorkerProcess
from zoosmith.validation.runtimes.runner import start
from zoosmith.validation.verification.other_runtimes import prove_in

MODELS = Path(__file__).resolve().parents[2] / "shared/models"


@dataclass(frozen=True)
class Case:
    """A model, inputs that it runs on here, and what it gives for them."""

    path: Path
    model: onnx.ModelProto
    opset: int
    inputs: dict[str, Any]
    expected: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[MODELS], metavar="FOLDER")
    parser.add_argument("--runtime", action="append", help="by default every one that is installed")
    parser.add_argument("--opset", action="append", type=int, help="by default 15, 13, 11, 9 and 7, and the highest")
    parser.add_argument("--size", type=int, default=2, help="of symbolic dimensions; 1 where it does not fit")
    parser.add_argument("--names", action="store_true", help="say of each file that fails why")
    options = parser.parse_args()
    cases = list(read(options.folders, options.size))
    chosen = [runtime_for(text) for text in options.runtime or []]
    for runtime in chosen or [known for known in supported() if find_environment(known) and known.name != "caffe2"]:
        print(
            f"\n{runtime}\n{'':16}{'files':>8}{'not converted':>15}{'IR too high':>13}{'do not load':>13}{'agree':>7}"
        )
        highest = next((t for t in targets() if str(t) == str(runtime)), None)
        for opset in [None, *opsets_for(highest and highest.opset, options.opset)]:
            report(runtime, cases, opset, highest and highest.ir, options.names)


def opsets_for(highest: int | None, asked: list[int] | None) -> list[int]:
    """The opsets to convert to for a runtime that takes up to `highest`, the highest first."""
    wanted = asked or [15, 13, 11, 9, 7, *([highest] if highest else [])]
    return sorted({opset for opset in wanted if highest is None or opset <= highest}, reverse=True)


def read(folders: list[Path], size: int) -> Iterator[Case]:
    """Every model below the folders that runs here, with symbolic dimensions of a size, or of 1 where that fails."""
    for path in sorted(path for folder in folders for path in folder.rglob("*.onnx")):
        model = load_model(path)
        names = symbolic_sizes(port for port in input_ports(model.graph) if port.required)
        reason = None
        for fitting in (size, 1):
            try:
                inputs = random_inputs(model, seed=0, dims=dict.fromkeys(names, fitting))
                yield Case(path, model, default_opset(model) or 1, inputs, runner_for(path).run(inputs))
                break
            except ZoosmithError as error:
                reason = error
        else:
            print(f"left out: {reason}")


def report(
    runtime: PinnedRuntime, cases: list[Case], opset: int | None, highest_ir: int | None, with_names: bool
) -> None:
    """Print one line: the files at this opset in the runtime, or the originals where it is None."""
    count: Counter[str] = Counter()
    process = start(runtime)
    for case in cases:
        if opset is not None and opset > case.opset:
            continue
        count["files"] += 1
        try:
            converted = case.model if opset is None else convert(case.model, opset, runtime_opset=opset).model
            if opset is not None and highest_ir is not None and converted.ir_version > highest_ir:
                converted = convert_version(converted, opset, ir=highest_ir)
        except ZoosmithError:
            count["not converted"] += 1
            continue
        process = start(runtime) if process.ended else process
        outcome, reason = judge(runtime, case, converted, process)
        if outcome == "refused" and highest_ir is not None and converted.ir_version > highest_ir:
            outcome = "high"
        count[outcome] += 1
        if with_names and outcome != "verified":
            print(f"    {case.path.name}: {outcome}: {reason}")
    process.close()
    title = "as they are" if opset is None else f"at opset {opset}"
    rest = f", {count['differs']} differ" if count["differs"] else ""
    rest += f", {count['unjudged']} fail there as they were" if count["unjudged"] else ""
    print(
        f"  {title:14}{count['files']:>8}{count['not converted']:>15}{count['high']:>13}"
        f"{count['refused']:>13}{count['verified']:>7}{rest}",
        flush=True,
    )


def judge(
    runtime: PinnedRuntime, case: Case, converted: onnx.ModelProto, process: WorkerProcess
) -> tuple[str, str | None]:
    """What became of a file in the runtime, in one word, and why."""
    result = prove_in(runtime, case.path, converted, case.inputs, expected=case.expected, process=process)
    return result.outcome, result.reason


if __name__ == "__main__":
    main()
