"""Kill commands, fill their disk, run two of them at once: whole files or none, and the next run gives the same bytes.

    python -m tests.interruptions --kills 200 --full-disks 100 --pairs 20
    python -m tests.interruptions --kills 10 --full-disks 5 --pairs 5 --densenet

Each of `convert`, `opset`, `quantize`, `bundle` and `build` takes its turn, on small inputs or on DenseNet-121, in a
folder that another version of its files is in already. After each event every file has the bytes of the earlier version
or those of an undisturbed run. Then the command runs again: no leftover is there afterwards, and all files have the
bytes of the undisturbed run. A full disk is a small file system in memory, which only root can make; where that is not
possible it is said, and writing is stopped by a limit on the size of a file instead. Prints a line for each event that
went wrong and one with the counts; the exit code is 1 where one did.

The seed and the number of an event decide its moment: `--part 2/8` makes every eighth event, from the second, and all
parts together are the whole.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from zoosmith import convert
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef
from zoosmith.recipes.densenet121 import DENSENET121_NET

Files = dict[str, bytes]
_ZOO = "zoosmith"
_FILTERS = 64
_PAGE = 4096
_INPUT, _INPUT_OF_DENSENET = "x=1,3,8,8", "data=1,3,224,224"
# leftovers of processes count as such ten seconds after their last change
_AGE = 60


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        name: of the command.
        words: its arguments; `{source}` is the folder of inputs, `{out}` the one that it writes to, `{input}` name and
            shape of the net's input.
        earlier: other arguments that give another version of the same files.
    """

    name: str
    words: str
    earlier: tuple[str, str]

    def arguments(self, folder: Path, given: str, *, earlier: bool = False) -> list[str]:
        """The command line, for a net with such an input."""
        words = self.words.replace(*self.earlier) if earlier else self.words
        made = words.format(source=folder / "source", out=folder / "out", input=given)
        return [sys.executable, "-m", _ZOO, self.name, *made.split()]


CASES = (
    Case(
        "convert",
        "{source}/net.pb {source}/init.pb -o {out}/m.onnx --input {input}",
        ("--input", "--names caffe2 --input"),
    ),
    Case("opset", "{source}/stored.onnx -o {out}/m.onnx --to 14", ("stored.onnx", "other.onnx")),
    Case(
        "quantize",
        "{source}/conv.onnx -o {out}/m.onnx --calibrate random --samples 2 --force --every-layer",
        ("--samples 2", "--samples 1"),
    ),
    Case("bundle", "{source}/conv.onnx -o {out}/m.tar.gz --sets 2", ("--sets 2", "--sets 1")),
    Case(
        "build",
        "--net {source}/net.pb --weights {source}/init.pb --input {input} --rows 9,12 --sets 1 --out {out}",
        ("--sets 1", "--sets 2"),
    ),
)


def make_inputs(folder: Path) -> None:
    """Write the models and nets that the commands read."""
    folder.mkdir(parents=True)
    weights = np.random.RandomState(0).randn(_FILTERS, 3, 3, 3).astype(np.float32)
    sizes = Argument(name="shape", ints=weights.shape)
    fill = OperatorDef(
        type="GivenTensorFill", output=["w"], arg=[sizes, Argument(name="values", floats=weights.ravel())]
    )
    bias = OperatorDef(
        type="ConstantFill",
        output=["b"],
        arg=[Argument(name="shape", ints=[_FILTERS]), Argument(name="value", f=0.5)],
    )
    (folder / "init.pb").write_bytes(NetDef(name="i", op=[fill, bias]).SerializeToString())
    conv = OperatorDef(type="Conv", input=["x", "w", "b"], output=["c"], arg=[Argument(name="kernel", i=3)])
    relu = OperatorDef(type="Relu", input=["c"], output=["y"])
    net = NetDef(name="n", op=[conv, relu], external_input=["x", "w", "b"], external_output=["y"])
    (folder / "net.pb").write_bytes(net.SerializeToString())
    onnx.save(_model(weights), folder / "conv.onnx")
    _save_stored(folder, _model(weights), _model(2 * weights))


def make_densenet(folder: Path) -> None:
    """Write DenseNet-121 under the same names."""
    folder.mkdir(parents=True)
    first, second = (DENSENET121_NET.open(seed=seed) for seed in (0, 1))
    (folder / "net.pb").write_bytes(first.predict_net.SerializeToString())
    (folder / "init.pb").write_bytes(first.init_net)
    models = [
        convert.caffe2_to_onnx(net.predict_net, net.init_net, inputs={"data": (1, [1, 3, 224, 224])}, opset=13)
        for net in (first, second)
    ]
    onnx.save(models[0], folder / "conv.onnx")
    _save_stored(folder, *models)


def _save_stored(folder: Path, stored: onnx.ModelProto, other: onnx.ModelProto) -> None:
    """Write two models with their weights in files beside them."""
    for name, model in (("stored", stored), ("other", other)):
        where = {"save_as_external_data": True, "location": f"{name}.data"}
        onnx.save(model, folder / f"{name}.onnx", **where)


def _model(weights: np.ndarray) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])],
        "g",
        [value("x", 1, [1, 3, 8, 8])],
        [value("y", 1, [1, _FILTERS, 6, 6])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


class Bench:
    """One command with its inputs in a folder, and what it writes undisturbed.

    Attributes:
        case: the command.
        folder: with `source`, `out` and `temporary`.
        earlier: the files that are there before.
        wanted: the files that are there after an undisturbed run.
        seconds: that the run took.
        input: name and shape of the net's input.
    """

    def __init__(self, case: Case, folder: Path, *, densenet: bool = False) -> None:
        self.case = case
        self.folder = folder
        self.out = folder / "out"
        self.input = _INPUT_OF_DENSENET if densenet else _INPUT
        (make_densenet if densenet else make_inputs)(folder / "source")
        (folder / "temporary").mkdir()
        self.out.mkdir()
        self._run_undisturbed(earlier=True)
        self.earlier = _content(self.out)
        begin = time.monotonic()
        self._run_undisturbed()
        self.seconds = time.monotonic() - begin
        self.wanted = _content(self.out)
        if self.earlier == self.wanted:
            raise AssertionError(f"{case.name}: both versions are the same")

    def _run_undisturbed(self, *, earlier: bool = False) -> None:
        ended = self.run(earlier=earlier)
        if ended.returncode:
            raise AssertionError(f"{self.case.name} ends with {ended.returncode}: {ended.stderr[-300:]}")

    def start(self, *, earlier: bool = False, largest: int | None = None) -> "subprocess.Popen[str]":
        """Start the command, with a limit on the size of a file where one is given."""

        def limit() -> None:
            if largest is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

        return subprocess.Popen(
            self.case.arguments(self.folder, self.input, earlier=earlier),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(self.folder / "temporary")},
            preexec_fn=limit,  # noqa: PLW1509 - this process has one thread
        )

    def run(self, *, earlier: bool = False, largest: int | None = None) -> "subprocess.CompletedProcess[str]":
        """Run the command to its end."""
        process = self.start(earlier=earlier, largest=largest)
        _, errors = process.communicate()
        return subprocess.CompletedProcess(self.case.name, process.returncode, None, errors)

    def reset(self) -> None:
        """Put the earlier version there."""
        for path in self.out.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, content in self.earlier.items():
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            (self.out / name).write_bytes(content)

    def torn(self) -> Iterator[str]:
        """What is wrong with the files after a run that came to no good end."""
        for name, content in _content(self.out).items():
            if content not in (self.earlier.get(name), self.wanted.get(name)):
                yield f"{name} has {len(content)} bytes of neither version"
        lost = self.earlier.keys() - _content(self.out).keys()
        if lost:
            yield f"{', '.join(sorted(lost))} is lost"

    def not_made_good(self) -> Iterator[str]:
        """What is wrong after the command has run again."""
        for path in self.out.rglob(".*"):
            _make_old(path)
        again = self.run()
        if again.returncode:
            yield f"the next run ends with {again.returncode}: {again.stderr[-300:]}"
        left = [path.name for path in self.out.rglob(".*")]
        if left:
            yield f"the next run leaves {', '.join(left)}"
        if _content(self.out) != self.wanted:
            yield "the next run gives other bytes"


def _content(folder: Path) -> Files:
    """The files below a folder that have a final name."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    names = {path: path.relative_to(folder) for path in found}
    return {
        name.as_posix(): path.read_bytes()
        for path, name in names.items()
        if not any(part.startswith(".") for part in name.parts)
    }


def _make_old(path: Path) -> None:
    """Set the time of a leftover back, as if the next run came later."""
    moment = time.time() - _AGE
    os.utime(path, (moment, moment))


def kill(bench: Bench, draw: random.Random) -> Iterator[str]:
    """Kill the command at a moment of its run, every second time while something is being written."""
    process = bench.start()
    end = time.monotonic() + 10 * bench.seconds
    if draw.random() < 0.5:
        delay = draw.uniform(0, bench.seconds)
    else:
        while process.poll() is None and not _begun(bench) and time.monotonic() < end:
            time.sleep(0.001)
        delay = draw.uniform(0, bench.seconds / 3)
    time.sleep(delay)
    process.kill()
    process.communicate()
    yield from bench.torn()


def _begun(bench: Bench) -> bool:
    return any(True for _ in bench.out.rglob(".*"))


def fill_disk(bench: Bench, draw: random.Random) -> Iterator[str]:
    """Run the command where writing fails somewhere."""
    sizes = [len(content) for content in bench.wanted.values()]
    ended = bench.run(largest=draw.randint(0, max(sizes) + _PAGE))
    if ended.returncode not in (0, 2):
        yield f"exit {ended.returncode}: {ended.stderr[-300:]}"
    if ended.returncode == 2 and "cannot be written: " not in ended.stderr.splitlines()[-1]:
        yield f"does not say that it cannot write: {ended.stderr.splitlines()[-1]}"
    left = [path.name for path in bench.out.rglob(".*")]
    if left:
        yield f"leaves {', '.join(left)}"
    yield from bench.torn()


def fill_small_disk(bench: Bench, draw: random.Random) -> Iterator[str]:
    """Run the command on a file system that fills up, and make that larger."""
    had = sum(map(_on_disk, bench.earlier.values()))
    more = sum(map(_on_disk, bench.wanted.values()))
    with _file_system(bench.out, had + draw.randint(4, 8 + 2 * more // _PAGE) * _PAGE) as enlarge:
        bench.reset()
        ended = bench.run()
        if ended.returncode not in (0, 2):
            yield f"exit {ended.returncode}: {ended.stderr[-300:]}"
        if ended.returncode == 2 and "No space left on device" not in ended.stderr.splitlines()[-1]:
            yield f"does not say that the disk is full: {ended.stderr.splitlines()[-1]}"
        left = [path.name for path in bench.out.rglob(".*")]
        if left:
            yield f"leaves {', '.join(left)}"
        yield from bench.torn()
        enlarge()
        yield from bench.not_made_good()


def _on_disk(content: bytes) -> int:
    # a file and its folder
    return (len(content) // _PAGE + 3) * _PAGE


@contextmanager
def _file_system(folder: Path, size: int) -> Iterator[Callable[[], None]]:
    """A file system of so many bytes in a folder; gives what makes it large."""
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield lambda: _mount("-o", "remount,size=1g", str(folder))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, stderr=subprocess.DEVNULL)


def can_mount() -> bool:
    """Whether this process may make a file system."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with _file_system(Path(folder), _PAGE):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def run_two(bench: Bench, draw: random.Random) -> Iterator[str]:
    """Run the command twice at once, the second a little later."""
    first = bench.start()
    time.sleep(draw.uniform(0, bench.seconds / 2))
    second = bench.start()
    for process in (first, second):
        _, errors = process.communicate()
        if process.returncode:
            yield f"exit {process.returncode}: {errors[-300:]}"
    left = [path.name for path in bench.out.rglob(".*")]
    if left:
        yield f"leave {', '.join(left)}"
    if _content(bench.out) != bench.wanted:
        yield "together they give other bytes"


def disturb(bench: Bench, event: Callable[[Bench, random.Random], Iterator[str]], draw: random.Random) -> list[str]:
    """Let something happen to the command, and run it again.

    Returns:
        What was wrong.
    """
    if event is fill_small_disk:
        return list(event(bench, draw))
    bench.reset()
    found = list(event(bench, draw))
    return found + list(bench.not_made_good())


def main() -> int:
    """Do so many events of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--full-disks", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--part", default="1/1", help="every so many events, beginning with this one: 2/8")
    parser.add_argument("--densenet", action="store_true", help="on DenseNet-121 instead of small inputs")
    given = parser.parse_args()
    first, step = map(int, given.part.split("/"))
    full = fill_small_disk
    if given.full_disks and not can_mount():
        print("NOTE no small file system can be made here (root can): files are limited in size instead")
        full = fill_disk
    events = [("kills", kill, given.kills), ("full disks", full, given.full_disks), ("pairs", run_two, given.pairs)]
    counts: Counter[str] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        benches = [Bench(case, Path(folder, case.name), densenet=given.densenet) for case in CASES]
        for name, event, count in events:
            for index in range(first - 1, count, step):
                bench = benches[index % len(benches)]
                found = disturb(bench, event, random.Random(f"{given.seed} {name} {index}"))
                counts[name] += 1
                wrong += bool(found)
                for line in found:
                    print(f"{name} {index}, {bench.case.name}: {line}", flush=True)
    print(", ".join(f"{counts[name]} {name}" for name, _, _ in events) + f": {wrong} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
