"""Fuzz readers and engines, guided by the coverage of our code.

    python -m tests.fuzz --inputs 200000 --folder build/fuzz [TARGET...]

Each target runs in a process of its own, which libFuzzer leads, and goes on after what it finds: an input on which a
function ends in anything but an exception below `ZoosmithError`, a crash of the process, more than 10 s of processor
time, more than 2 GiB of memory. A process may ask for 5 GiB of addresses.

The folder keeps, for each target, an input of each kind that was found, the inputs that reached new code, and how many
were run, which is written with every input: a later run goes on from there until it has the number asked for, also
after a kill. `--inputs 0` prints what was run so far. The exit code is 1 where something was found. Needs the package
`atheris`.
"""

import argparse
import json
import os
import pkgutil
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from random import Random

_ADDRESS_SPACE = 5 << 30
# of a processor, in a process that counts every branch
_SECONDS_PER_INPUT = 10
_MEMORY_PER_INPUT = 2 << 30
# by the clock, for what waits; a machine that does other things is slower
_LIMIT_BY_THE_CLOCK = 120
_LARGEST_INPUT = 1 << 14
# protobuf reads it in Python
_LARGEST_TEXT = 1 << 11
_ENGINES = ("zoosmith.convert", "zoosmith.opset_upgrade", "zoosmith.quantize", "zoosmith.validation.interpreter")


@dataclass
class Progress:
    """What was run of a target.

    Attributes:
        inputs: how many.
        seconds: how long the processes ran, less what they took to begin.
        processes: how many were started; each has mutations of its own.
    """

    inputs: int = 0
    seconds: float = 0.0
    processes: int = 0


class State:
    """The folder of a target: `findings`, `corpus`, `log` and `progress.json`."""

    def __init__(self, folder: Path) -> None:
        self.findings = folder / "findings"
        self.corpus = folder / "corpus"
        self.log = folder / "log"
        self._progress = folder / "progress.json"
        for made in (self.findings, self.corpus):
            made.mkdir(parents=True, exist_ok=True)

    def progress(self) -> Progress:
        """What was run so far."""
        return Progress(**json.loads(self._progress.read_bytes())) if self._progress.exists() else Progress()

    def writer(self) -> Callable[[Progress], None]:
        """A function that writes what was run so far: one call of the system, of the same length each time."""
        file = os.open(self._progress, os.O_WRONLY | os.O_CREAT, 0o644)
        return lambda progress: (os.pwrite(file, json.dumps(asdict(progress)).ljust(120).encode(), 0), None)[1]

    def found(self) -> list[Path]:
        """An input of each kind that was found."""
        return sorted(self.findings.iterdir())


def main() -> int:
    """Run the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--inputs", type=int, default=2000, help="per target, with those of earlier runs")
    parser.add_argument("--seconds", type=int, default=0, help="at most, per target; 0 for no limit")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations")
    parser.add_argument("--jobs", type=int, default=1, help="targets at the same time")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="keeps findings, corpus and counts")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        return _lead(given)
    from tests.fuzz.targets import TARGETS

    unknown = set(given.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; the targets are {', '.join(TARGETS)}")
    inputs, found = 0, 0
    for name, state in _fuzzed(given.targets or list(TARGETS), given):
        progress = state.progress()
        inputs += progress.inputs
        found += len(state.found())
        print(f"{name}: {progress.inputs:,} inputs, {progress.seconds:,.0f} s, {len(state.found())} findings")
        print(*(f"  {path}\n" for path in state.found()), sep="", end="", flush=True)
    print(f"fuzzed: {inputs:,} inputs, {found} findings")
    return 1 if found else 0


def _fuzzed(names: Sequence[str], given: argparse.Namespace) -> Iterator[tuple[str, State]]:
    states = [State(given.folder / name) for name in names]
    # nothing of ours may be loaded before it is instrumented: this module leads a target as well
    with ThreadPoolExecutor(given.jobs) as executor:
        jobs = [executor.submit(_fuzz, name, state, given) for name, state in zip(names, states, strict=True)]
        for name, state, job in zip(names, states, jobs, strict=True):
            job.result()
            yield name, state


def _fuzz(name: str, state: State, given: argparse.Namespace) -> None:
    """Run one target until it has had its inputs; a process that died is followed by another."""
    end = time.monotonic() + (given.seconds or 10**9)
    while (before := state.progress()).inputs < given.inputs and time.monotonic() < end:
        command = [sys.executable, "-m", "tests.fuzz", name, "--alone", "--inputs", str(given.inputs - before.inputs)]
        # no process comes to the crash of the one before at once
        command += ["--seed", str(given.seed + before.processes), "--folder", str(given.folder)]
        command += ["--seconds", str(int(max(1, end - time.monotonic())))]
        with open(state.log, "ab") as log:
            subprocess.run(command, stdout=log, stderr=log, check=False)
        if state.progress().inputs == before.inputs:
            raise SystemExit(f"{name}: fuzzing did not begin; see {state.log}")


def _lead(given: argparse.Namespace) -> int:
    """Fuzz one target in this process. libFuzzer ends it."""
    import atheris

    # what asks for more must not take the machine with it
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with atheris.instrument_imports(include=["zoosmith"]):
        from tests.fuzz.mutation import mutate
        from tests.fuzz.targets import TARGETS, run_in_new_folder

        # what is loaded on first use has to be instrumented, too
        for room in _ENGINES:
            for module in pkgutil.walk_packages(import_module(room).__path__, f"{room}."):
                import_module(module.name)
    (name,) = given.targets
    target, state = TARGETS[name], State(given.folder / name)
    for index, content in enumerate(target.seeds()):
        (state.corpus / f"seed-{index:04}").write_bytes(content)
    # files of inputs lie in memory where the system has such a place
    tempfile.tempdir = "/dev/shm" if os.path.isdir("/dev/shm") else None

    before, write, start = state.progress(), state.writer(), time.monotonic()
    progress = Progress(before.inputs, before.seconds, before.processes + 1)

    def run(content: bytes) -> None:
        processor, memory = time.process_time(), _largest_memory()
        try:
            run_in_new_folder(target, content)
        except Exception as error:
            _keep(f"{type(error).__name__}-{_place(error)}", content, state.findings)
        if time.process_time() - processor > _SECONDS_PER_INPUT:
            _keep("slow", content, state.findings)
        if _largest_memory() - memory > _MEMORY_PER_INPUT:
            _keep("large", content, state.findings)
        progress.inputs += 1
        progress.seconds = round(before.seconds + time.monotonic() - start, 1)
        write(progress)

    def mutated(content: bytes, largest: int, seed: int) -> bytes:
        random = Random(seed)
        if target.repair is not None and random.random() < 0.7:
            return target.repair(atheris.Mutate(content, largest))
        if target.message is None or random.random() < 0.3:
            return atheris.Mutate(content, largest)
        try:
            message = target.parse(content)
            mutate(message, random)
            made = target.serialize(message)
        except Exception:  # of protobuf's: it is no message, or has become one that cannot be written
            return atheris.Mutate(content, largest)
        return made if len(made) <= largest else atheris.Mutate(content, largest)

    options = {
        "runs": given.inputs,
        "max_total_time": given.seconds,
        "seed": given.seed,
        "timeout": _LIMIT_BY_THE_CLOCK,
        "report_slow_units": _LIMIT_BY_THE_CLOCK,
        "rss_limit_mb": 0,
        "max_len": _LARGEST_TEXT if target.text else _LARGEST_INPUT,
        "artifact_prefix": f"{state.findings}/",
    }
    words = [sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(state.corpus)]
    atheris.Setup(words, run, custom_mutator=mutated)
    atheris.Fuzz()
    return 0


def _largest_memory() -> int:
    """The most that this process has held so far, in bytes; Linux counts in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _place(error: Exception) -> str:
    """Where in our code an exception comes from."""
    trace, place = error.__traceback__, "nowhere"
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if "tests" not in path.parts and (path.parent / "__init__.py").exists() and "site-packages" not in path.parts:
            place = f"{path.parent.name}.{path.stem}.{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _keep(kind: str, content: bytes, folder: Path) -> None:
    """Keep the first input of a kind."""
    if not (folder / kind).exists():
        (folder / kind).write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
