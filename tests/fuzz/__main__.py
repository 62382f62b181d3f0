"""Fuzz readers and engines, guided by the coverage of our code.

    python -m tests.fuzz --inputs 200000 --findings findings [TARGET...]

Each target runs in a process of its own, which libFuzzer leads, and goes on after what it finds: an input on which a
function ends in anything but an exception below `ZoosmithError`, a crash of the process, more than 30 s. A process may
ask for 5 GiB of addresses. An input of each kind lies in the folder of findings afterwards. Prints the number of inputs
per target; the exit code is 1 where something was found. Needs the package `atheris`.
"""

import argparse
import os
import pkgutil
import re
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from random import Random

_ADDRESS_SPACE = 5 << 30
_SECONDS_PER_INPUT = 30
_LARGEST_INPUT = 1 << 14
_ENGINES = ("zoosmith.convert", "zoosmith.opset_upgrade", "zoosmith.quantize", "zoosmith.validation.interpreter")
_STATISTIC = re.compile(r"stat::number_of_executed_units:\s+(\d+)|^#(\d+)\s", re.MULTILINE)


def main() -> int:
    """Run the targets one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--inputs", type=int, default=2000, help="per target")
    parser.add_argument("--seconds", type=int, default=0, help="at most, per target; 0 for no limit")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations; 0 draws one")
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"), help="folder for what is found")
    parser.add_argument("--corpus", type=Path, help="folder that keeps inputs which reach new code, for later runs")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        return _lead(given)
    from tests.fuzz.targets import TARGETS

    unknown = set(given.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; the targets are {', '.join(TARGETS)}")
    total = 0
    found: list[Path] = []
    for name in given.targets or TARGETS:
        count, new = _fuzz(name, given)
        total += count
        found += new
        print(f"{name}: {count:,} inputs, {len(new)} findings", *(f"  {path}" for path in new), sep="\n", flush=True)
    print(f"fuzzed: {total:,} inputs, {len(found)} findings")
    return 1 if found else 0


def _fuzz(name: str, given: argparse.Namespace) -> tuple[int, list[Path]]:
    """Run one target until it has had its inputs; a process that died is followed by another."""
    folder = given.findings / name
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    done, seed, end = 0, given.seed, time.monotonic() + (given.seconds or 10**9)
    with tempfile.TemporaryDirectory() as made:
        corpus = Path(made) if given.corpus is None else given.corpus / name
        corpus.mkdir(parents=True, exist_ok=True)
        while done < given.inputs and time.monotonic() < end:
            command = [sys.executable, "-m", "tests.fuzz", name, "--alone", "--seed", str(seed)]
            command += ["--inputs", str(given.inputs - done), "--seconds", str(int(max(1, end - time.monotonic())))]
            command += ["--findings", str(folder), "--corpus", str(corpus)]
            with open(folder / "log", "ab") as log:
                begin = log.tell()
                subprocess.run(command, stdout=log, stderr=log, check=False)
            text = (folder / "log").read_bytes()[begin:].decode(errors="replace")
            counts = [int(count or round_) for count, round_ in _STATISTIC.findall(text)]
            if not counts:
                raise SystemExit(f"{name}: fuzzing did not begin; see {folder / 'log'}")
            done += max(counts)
            # the next process must not come to the same crash at once
            seed += 1
    return done, sorted(set(folder.iterdir()) - before - {folder / "log"})


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
    target = TARGETS[name]
    for index, content in enumerate(target.seeds()):
        (given.corpus / f"seed-{index:04}").write_bytes(content)
    # files of inputs lie in memory where the system has such a place
    tempfile.tempdir = "/dev/shm" if os.path.isdir("/dev/shm") else None

    def run(content: bytes) -> None:
        try:
            run_in_new_folder(target, content)
        except Exception as error:
            _keep(error, content, given.findings)

    def mutated(content: bytes, largest: int, seed: int) -> bytes:
        random = Random(seed)
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
        "timeout": _SECONDS_PER_INPUT,
        "rss_limit_mb": 0,
        "max_len": _LARGEST_INPUT,
        "print_final_stats": 1,
        "artifact_prefix": f"{given.findings}/",
    }
    words = [sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(given.corpus)]
    atheris.Setup(words, run, custom_mutator=mutated)
    atheris.Fuzz()
    return 0


def _keep(error: Exception, content: bytes, folder: Path) -> None:
    """Keep the first input that ends in an error of a kind at a place."""
    trace, place = error.__traceback__, "nowhere"
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if "tests" not in path.parts and (path.parent / "__init__.py").exists() and "site-packages" not in path.parts:
            place = f"{path.parent.name}.{path.stem}.{trace.tb_lineno}"
        trace = trace.tb_next
    kept = folder / f"{type(error).__name__}-{place}"
    if not kept.exists():
        kept.write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
