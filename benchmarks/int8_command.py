"""What the command makes of nets: it is run as a user runs it, and the files that it writes are measured.

python benchmarks/int8_command.py [--forms integer,qdq,float16,bfloat16] [--runtime onnxruntime==1.16.3 ...]
    [--levels] [--data own|default] [--photographs FOLDER] [--rounds 9] [--keep FOLDER] FOLDER | MODEL.onnx ...

For each net and form one line: how the command ended, the smallest cosine between an output of the file and of the
float net on samples that were not calibrated on, the speed over the float net in turns on one thread, whether there was
a notice that no speed-up is to be expected, and the seconds that the command took. `--data own` calibrates every net on
samples of its kind (net_samples.py says which), `default` those alone that are refused without any; others get the
made-up pictures of the command, preprocessed as the net wants. `--levels` runs the file with graph optimizations off,
basic and all as well, and `--runtime` in others that are installed; each has to give the same cosine. The last lines
count.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from int8_real_models import cosine_of, session, speeds, verdict
from net_samples import NetSamples, samples_of

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.quantize.selection import before_selection
from zoosmith.validation.runtimes import runtime_for, targets
from zoosmith.validation.runtimes.runner import ForeignRunner

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "shared/densenet121/images"
FORMS = {
    "integer": [],
    "contrib": ["--allow-contrib"],
    "every-layer": ["--every-layer"],
    "qdq": ["--format", "qdq"],
    "qdq-symmetric": ["--format", "qdq", "--symmetric", "--int8-activations"],
    "qdq-reduced": ["--format", "qdq", "--reduce-range"],
    "float16": ["--to", "float16"],
    "bfloat16": ["--to", "bfloat16"],
}
LEVELS = {"off": 0, "basic": 1, "all": 99}
CALIBRATION, OTHERS = 24, 12
WANTED = 0.99
# cosines of the same file in two places that are the same: fused or not, operators round otherwise
SAME = 5e-3
# seconds of a turn at least
_TURN = 5e-3
_NO_SAMPLES = "no samples to calibrate on"


class Elsewhere:
    """A runtime of `zoosmith runtime install` behind what is used of a session of ONNX Runtime."""

    def __init__(self, runtime: str, path: Path) -> None:
        self._runner = ForeignRunner(runtime_for(runtime), path)

    def run(self, names: None, case: dict[str, Any]) -> list[np.ndarray]:
        return list(self._runner.run(case).values())

    def close(self) -> None:
        self._runner.close()


class Net:
    """A float net with its samples, in files."""

    def __init__(self, path: Path, photographs: Path, folder: Path) -> None:
        self.name, self.path = path.stem, path
        model = onnx.load(path)
        self.samples: NetSamples = samples_of(path, model, CALIBRATION + OTHERS, photographs)
        cases = self.samples.cases
        half = min(CALIBRATION, len(cases) * 2 // 3)
        self.others = cases[half:]
        self.arrays = folder / f"{self.name}.calibration.npz"
        np.savez(
            self.arrays,
            **{name: np.concatenate([np.atleast_1d(case[name]) for case in cases[:half]]) for name in cases[0]},
        )
        self.float = session(path)


def written(net: Net, form: str, output: Path, own: bool) -> tuple[list[str], str | None, float]:
    """Run the command: what it printed, why it ended without a file, and the seconds."""
    fitting = ["--calibrate", str(net.arrays), "--force"]
    tries = [fitting] if own else [list(net.samples.options), fitting]
    begin = time.perf_counter()
    for options in tries:
        command = [sys.executable, "-m", "zoosmith", "quantize", str(net.path), "-o", str(output), "--no-cache"]
        done = subprocess.run([*command, *FORMS[form], *options], capture_output=True, text=True, check=False)
        printed = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        if done.returncode == 0 or _NO_SAMPLES not in done.stderr:
            break
    last = printed[-1] if printed else ""
    failed = None if done.returncode == 0 else f"exit {done.returncode}: {last.removeprefix('error: ')}"
    return printed, failed, time.perf_counter() - begin


def measured(net: Net, form: str, output: Path, arguments: argparse.Namespace) -> str:
    printed, failed, seconds = written(net, form, output, arguments.data == "own")
    if failed is not None:
        return f"REFUSED {failed.replace(str(net.path), net.name)} | {seconds:.0f} s"
    found = session(output)
    alike = cosine_of(compared(net.path), compared(output), net.others)
    [_, ratio] = speeds([net.float, found], net.others[:1] * repeats(net), arguments.rounds)
    notice = next((line for line in printed if "expect no speed-up" in line), None)
    quantized = FORMS[form][:1] != ["--to"]
    parts = [
        f"cosine {alike:.4f}" + (" LOW" if alike < WANTED else ""),
        f"{ratio:.2f} x" + (f", {verdict(ratio, notice)}" if quantized else ""),
        f"{output.stat().st_size / net.path.stat().st_size:.2f} of the size, {seconds:.0f} s",
        *places(net, output, alike, arguments),
    ]
    return " | ".join(parts)


def compared(path: Path) -> onnxruntime.InferenceSession:
    """A model as its outputs are compared: of a detector, before it selects boxes."""
    model = onnx.load(path)
    selecting = before_selection(model)
    if selecting is model:
        return session(path)
    return onnxruntime.InferenceSession(selecting.SerializeToString(), providers=["CPUExecutionProvider"])


def repeats(net: Net) -> int:
    """How often a net runs in each turn: runs of microseconds are too short to be measured one by one."""
    net.float.run(None, net.others[0])
    begin = time.perf_counter()
    net.float.run(None, net.others[0])
    return max(1, round(_TURN / (time.perf_counter() - begin)))


def places(net: Net, output: Path, alike: float, arguments: argparse.Namespace) -> list[str]:
    """The same file with other optimizations and in other runtimes, where the cosine is another."""
    makers = {f"ORT {level}": level for level in LEVELS} if arguments.levels else {}
    runtimes = [runtime for runtime in arguments.runtime if is_taken(runtime, onnx.load(output))]
    result = [] if len(runtimes) == len(arguments.runtime) else [f"{len(arguments.runtime) - len(runtimes)} too old"]
    for place in [*makers, *runtimes]:
        try:
            with contextlib.ExitStack() as stack:
                there: Any
                if place in makers:
                    there = at_level(output, LEVELS[makers[place]])
                else:
                    there = Elsewhere(place, output)
                    stack.callback(there.close)
                value = cosine_of(net.float, there, net.others)
            if abs(value - alike) > SAME:
                result.append(f"{place}: OTHER {value:.4f}")
        except Exception as error:  # whatever a runtime raises
            if place not in makers and not runs_there(place, net):
                result.append(f"{place}: neither the float net")
            else:
                result.append(f"{place}: FAILS: {first_line(error)[-160:]}")
    others = [place for place in result if not place.endswith("too old")]
    return result + (["same everywhere"] if (makers or runtimes) and not others else [])


def runs_there(runtime: str, net: Net) -> bool:
    """Whether a runtime runs the float net."""
    try:
        there = Elsewhere(runtime, net.path)
        there.run(None, net.others[0])
        there.close()
    except Exception:  # whatever a runtime raises
        return False
    return True


def is_taken(runtime: str, model: onnx.ModelProto) -> bool:
    """Whether a release knows the opset and the IR version of a model, where the table of targets has it."""
    target = next((each for each in targets() if str(each) == runtime), None)
    if target is None:
        return True
    return (default_opset(model) or 0) <= target.opset and (target.ir is None or model.ir_version <= target.ir)


def at_level(path: Path, level: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel(level)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="FOLDER | MODEL.onnx")
    parser.add_argument("--forms", default="integer", help=f"of {', '.join(FORMS)}")
    parser.add_argument("--runtime", action="append", default=[], help="run the files there as well")
    parser.add_argument("--levels", action="store_true", help="and here at each level of optimization")
    parser.add_argument("--data", choices=("own", "default"), default="default")
    parser.add_argument("--photographs", type=Path, default=PHOTOGRAPHS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keep", type=Path, help="folder to leave the files in")
    arguments = parser.parse_args()
    paths: list[Path] = []
    for given in arguments.models:
        paths.extend(sorted(given.glob("*.onnx")) if given.is_dir() else [given])
    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            for form in arguments.forms.split(","):
                try:
                    net = Net(path, arguments.photographs, folder)
                    line = f"{net.samples.kind} | {measured(net, form, folder / f'{path.stem}.{form}.onnx', arguments)}"
                except Exception as error:  # one net is no reason to leave the others out
                    line = f"NOT MEASURED {type(error).__name__}: {first_line(error)}"[:200]
                lines.append(line)
                print(f"{path.stem} | {form} | {line}", flush=True)
    for word in ("REFUSED", "NOT MEASURED", " LOW", "SLOWER AND UNSAID", "notice though faster", "OTHER", "FAILS"):
        print(f"{word.strip()}: {sum(word in line for line in lines)} of {len(lines)}")


if __name__ == "__main__":
    main()
