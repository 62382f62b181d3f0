"""Every attack file goes to every command that reads such a file."""

import hashlib
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.attack import ATTACKS, Attack
from tests.attacks.commands import COMMANDS
from tests.attacks.worker import Outcome, Worker

from tests.attacks import archives, arrays, external, models, nets, pictures  # isort: skip  # noqa: F401
from tests.attacks import descriptions, saved_nets, unusual_models  # isort: skip  # noqa: F401

MOST_MEMORY = 900 << 20
"""Bytes by which no command may grow, whatever a file says."""

MOST_SECONDS = 30
"""Seconds of processor time that no command may take."""

# it goes on with the next file, and says in its table what was wrong
_MORE_CODES = {name: frozenset({1}) for name in ("opset dry run", "audit", "audit tree")}


def run_attack(attack: Attack, folder: Path, sound: Path, worker: Worker) -> Iterator[tuple[str, Outcome, list[str]]]:
    """Run every command on an attack; yield its name, what it did, and what is wrong with that."""
    source = folder / "source"
    source.mkdir()
    file = attack.build(source)
    for name, words in COMMANDS[attack.kind].items():
        out = folder / "out" / name.replace(" ", "-")
        out.mkdir(parents=True)
        before = _content(folder, out)
        arguments = [word.format(file=file, folder=file.parent, out=out, sound=sound) for word in words.split()]
        outcome = worker.run(arguments, source)
        codes = attack.codes | _MORE_CODES.get(name, frozenset())
        yield name, outcome, [*_faults(codes, outcome), *_traces(folder, out, before, outcome)]


def _faults(codes: frozenset[int], outcome: Outcome) -> Iterator[str]:
    if outcome.code not in codes:
        yield f"exit {outcome.code}, expected one of {sorted(codes)}"
    if outcome.code == 2 and not outcome.err.rstrip("\n").rpartition("\n")[2].startswith("error: "):
        yield "exit 2 without a line that says why at the end"
    if outcome.code == 2 and outcome.out:
        yield "printed a result and exit 2"
    for text in (outcome.out, outcome.err):
        if any(character != "\n" and unicodedata.category(character)[0] == "C" for character in text):
            yield "a control character reached the terminal"
        if "Traceback" in text or "Warning" in text or "[E:onnx" in text:
            yield "a traceback or a library's warning reached the terminal"
        if any(line.startswith("18 of 18") for line in text.splitlines()):
            yield "a line that the file made up"
        if max(map(len, text.splitlines()), default=0) > 5000 and outcome.code == 2:
            yield "a line without an end"
    if outcome.grown > MOST_MEMORY:
        yield f"{outcome.grown >> 20} MB of memory"
    if outcome.cpu > MOST_SECONDS:
        yield f"{outcome.cpu:.0f} s of processor time"


def _traces(folder: Path, out: Path, before: dict[str, str], outcome: Outcome) -> Iterator[str]:
    if _content(folder, out) != before:
        yield "a file outside of the output folder was written"
    kept = out / "cache"  # of downloads: files under their hashes, and what a server said
    written = [path for path in out.rglob("*") if path.is_file() and kept not in path.parents]
    # a build says in its report which of the files that it wrote did not pass
    if written and outcome.code != 0 and not (outcome.code == 1 and (out / "report.json") in written):
        yield "a failed command left a file"


def _content(folder: Path, without: Path) -> dict[str, str]:
    """A hash of every file of a folder."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        for path in folder.rglob("*")
        if without not in (path, *path.parents)
    }


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.close()


# one in so many is run every time
_EVERY = 12
_CASES = [
    pytest.param(attack, id=str(attack), marks=[] if index % _EVERY == 0 else [pytest.mark.slow])
    for index, attack in enumerate(ATTACKS)
]


@pytest.mark.parametrize("attack", _CASES)
def test_no_command_is_harmed_by(attack: Attack, tmp_path: Path, sound: Path, worker: Worker) -> None:
    found = run_attack(attack, tmp_path, sound, worker)
    assert [(name, faults, outcome.err[-300:]) for name, outcome, faults in found if faults] == []
