"""Convert every net of a Caffe2 corpus, run it, and compare with what the real Caffe2 computed; print the table.

python benchmarks/corpus.py [CORPUS] [--only TEXT]

The other side is the ONNX file that Caffe2's own exporter wrote for the same case, run in the same way.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from zoosmith.convert import ConvertError, caffe2_to_onnx, read_net
from zoosmith.validation import ValidationError, runner_for

RTOL, ATOL = 1e-3, 1e-5
RIGHT, REFUSED, WRONG, NOT_LOADABLE = "right", "refused", "wrong", "not loadable"
DEFAULT_CORPUS = Path(__file__).resolve().parents[2] / "shared" / "caffe2_corpus"


@dataclass(frozen=True)
class Verdict:
    """What became of one case, and why where it is not right."""

    outcome: str
    reason: str = ""


@dataclass(frozen=True)
class Case:
    """A net of the corpus with its inputs and the real Caffe2's outputs."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    def facts(self) -> dict:
        return json.loads((self.folder / "case.json").read_text())

    def arrays(self, kind: str) -> list[np.ndarray]:
        with np.load(self.folder / f"{kind}.npz") as archive:
            return [archive[f"arr_{index}"] for index in range(len(archive.files))]


def cases(corpus: Path) -> list[Case]:
    return [Case(corpus / "cases" / entry["id"]) for entry in json.loads((corpus / "index.json").read_text())]


def translate(case: Case, opset: int | None = None) -> onnx.ModelProto:
    inputs = {blob: (info[0], info[1]) for blob, info in case.facts()["value_info"].items()}
    return caffe2_to_onnx(
        case.folder / "predict_net.pb", case.folder / "init_net.pb", inputs=inputs, opset=opset, names="zoo"
    )


def judge_ours(case: Case, opset: int | None = None) -> Verdict:
    try:
        model = translate(case, opset)
    except ConvertError as error:
        return Verdict(REFUSED, str(error))
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker raises many classes
        return Verdict(NOT_LOADABLE, _line(error))
    return judge(model, case)


def judge_theirs(case: Case) -> Verdict:
    exported = case.folder / "fb.onnx"
    if not exported.exists():
        return Verdict(REFUSED, case.facts()["fb_frontend"])
    return judge(onnx.load(exported), case)


def judge(model: onnx.ModelProto, case: Case) -> Verdict:
    """Run a model on the case's inputs: integers must be exact, floats within the tolerances."""
    try:
        runner = runner_for(model, threads=1)
    except ValidationError as error:
        return Verdict(NOT_LOADABLE, _line(error))
    parameters = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in parameters]
    arrays = case.arrays("inputs")
    blobs = case.facts()["inputs"]
    # graph inputs stand in the order of the net's, whatever their names
    order = [blob for blob in read_net(case.folder / "predict_net.pb").external_input if blob in blobs]
    feeds = {name: arrays[blobs.index(blob)] for name, blob in zip(names, order, strict=True)}
    try:
        actual = list(runner.run(feeds).values())
    except ValidationError as error:
        return Verdict(NOT_LOADABLE, _line(error))
    return compare(case.arrays("outputs"), actual)


def compare(expected: Sequence[np.ndarray], actual: Sequence[np.ndarray]) -> Verdict:
    if len(expected) != len(actual):
        return Verdict(WRONG, f"{len(actual)} outputs, expected {len(expected)}")
    for index, (theirs, ours) in enumerate(zip(expected, actual, strict=True)):
        if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
            return Verdict(WRONG, f"output {index}: {ours.dtype}{ours.shape}, expected {theirs.dtype}{theirs.shape}")
        exact = theirs.dtype.kind in "iub"
        if exact and not np.array_equal(theirs, ours):
            return Verdict(WRONG, f"output {index}: {np.count_nonzero(theirs != ours)} integers differ")
        if not exact and not np.allclose(ours, theirs, RTOL, ATOL, equal_nan=True):
            return Verdict(WRONG, f"output {index}: largest difference {np.nanmax(np.abs(theirs - ours)):.3g}")
    return Verdict(RIGHT)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", type=Path, default=DEFAULT_CORPUS)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--opset", type=int, help="convert to this opset instead of the lowest that will do")
    arguments = parser.parse_args()
    chosen = [case for case in cases(arguments.corpus) if arguments.only in case.name]
    ours = {case.name: judge_ours(case, arguments.opset) for case in chosen}
    theirs = {case.name: judge_theirs(case) for case in chosen}
    for name, verdict in ours.items():
        if verdict.outcome != RIGHT:
            print(f"{verdict.outcome:12} {name}: {verdict.reason}")
    print(f"\n{len(chosen)} cases{'':14} zoosmith   Caffe2's own exporter")
    counts = Counter(v.outcome for v in ours.values()), Counter(v.outcome for v in theirs.values())
    for outcome in (RIGHT, REFUSED, WRONG, NOT_LOADABLE):
        mine, other = counts[0][outcome], counts[1][outcome]
        print(f"{outcome:24} {mine:4} {mine / len(chosen):6.1%}   {other:4} {other / len(chosen):6.1%}")
    sys.exit(bool(counts[0][WRONG] + counts[0][NOT_LOADABLE]))


if __name__ == "__main__":
    main()
