"""Break random behaviours of the code, one at a time, and see whether the tests of the mirrored folder notice.

    python -m tests.mutants --count 100 --seed 1 --jobs 2 --results mutants.jsonl

Works in copies of the tree in a temporary folder; the tree itself is only read. `convert/nets.py` is tested by
`tests/convert`, and so on, with the tests of the default suite (neither `slow` nor `caffe2`), the likeliest files
first, up to the first failure or a limit of CPU time. Each result is one line of the results file; run again with the
same file, it goes on where it stopped. The exit code is 1 where fewer than `--at-least` per cent were caught.

Not touched are docstrings, type hints, `if TYPE_CHECKING`, texts of messages, and `zip(strict=)`, which holds an
assumption of the code about itself.
"""

import argparse
import ast
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).resolve().parent.parent
_NOT_SOURCE = {"tests", "benchmarks", "docs", "artifacts", "build", "dist"}
_TEXTS = {"help", "metavar", "encoding", "strict", "short_help", "epilog", "description"}

# A mutant may loop for ever. What is limited is CPU time, which a busy machine does not use up, and for what waits for
# ever the time on the clock, generously. The hard limit stays: workers of tests set limits of their own.
_LIMITED_PYTEST = """
import resource, sys, pytest
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
sys.exit(pytest.main(sys.argv[2:]))
"""
_WAIT, _WAIT_PER_CPU_SECOND = 300, 10

_COMPARISONS = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", ">="),
    ast.LtE: ("<=", ">"),
    ast.Gt: (">", "<="),
    ast.GtE: (">=", "<"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
}


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the bytes from `start` to `end` become `text`."""

    file: str
    line: int
    kind: str
    start: int
    end: int
    before: str
    text: str
    digest: str
    """Of the file's content, so that results of an older version are not taken for results of this one."""

    @property
    def key(self) -> str:
        """The name of the mutant in a results file."""
        return f"{self.file}:{self.start}:{self.end}:{self.text}:{self.digest}"

    def applied(self, source: bytes) -> bytes:
        """The file's content with the change."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def is_valid(self) -> bool:
        """Whether the change is Python, and changes anything."""
        source = (ROOT / self.file).read_bytes()
        try:
            return ast.dump(ast.parse(self.applied(source))) != ast.dump(ast.parse(source))
        except (SyntaxError, ValueError):
            return False

    def __str__(self) -> str:
        before, after = (" ".join(text.split())[:60] for text in (self.before, self.text))
        return f"{self.file}:{self.line}: {self.kind}: {before!r} -> {after!r}"


class _Finder(ast.NodeVisitor):
    """Collects what can be changed in one file."""

    def __init__(self, file: str, source: bytes) -> None:
        self.found: list[Mutant] = []
        self._file, self._source = file, source
        self._digest = hashlib.sha256(source).hexdigest()[:12]
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def _span(self, node: ast.AST) -> tuple[int, int]:
        start = self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def _add(self, kind: str, start: int, end: int, text: str) -> None:
        line = self._source.count(b"\n", 0, start) + 1
        before = self._source[start:end].decode()
        self.found.append(Mutant(self._file, line, kind, start, end, before, text, self._digest))

    def _replace(self, kind: str, node: ast.AST, text: str) -> None:
        self._add(kind, *self._span(node), text)

    def _between(self, kind: str, left: ast.AST, right: ast.AST, old: str, new: str) -> None:
        """Replace the operator that stands between two operands."""
        start, end = self._span(left)[1], self._span(right)[0]
        gap = self._source[start:end].decode()
        match = re.search(rf"(?<!\w){re.escape(old)}(?!\w)" if old.isalpha() else re.escape(old), gap)
        if match:
            at = start + len(gap[: match.start()].encode())
            self._add(kind, at, at + len(old), new)

    # what is left alone

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self._replace("swap the branches", node.test, f"not ({self._text(node.test)})")
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None and "TypeAlias" not in ast.dump(node.annotation):
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """A parameter: nothing but a type hint."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A text with values in it: mostly a message."""

    def visit_Import(self, node: ast.Import) -> None:
        """Imports are left alone."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Imports are left alone."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """An assumption of the code about itself."""

    # what is changed

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.decorator_list, node.args):
            self.visit(part)
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        for statement in body:
            if not isinstance(
                statement, (ast.FunctionDef, ast.ClassDef, ast.Return, ast.Raise, ast.Import, ast.ImportFrom)
            ):
                self._replace("return early", statement, "return None")
            self.visit(statement)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                self.visit(statement)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return
        if isinstance(node.value, ast.Call):
            self._replace("drop a call", node, "pass")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._replace("drop a refusal", node, "pass")

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._replace("swap the branches", node.test, f"not ({self._text(node.test)})")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, operation, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            old, new = _COMPARISONS[type(operation)]
            self._between("flip a comparison", left, right, old, new)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in _ARITHMETIC:
            self._between("change the arithmetic", node.left, node.right, *_ARITHMETIC[type(node.op)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between("swap and with or", left, right, old, new)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, (ast.Not, ast.USub)):
            self._replace("drop a sign or not", node, f"({self._text(node.operand)})")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in _TEXTS:
                start, end = self._span(keyword)
                comma = re.match(rb"\s*,", self._source[end:])
                self._add("delete a keyword argument", start, end + (comma.end() if comma else 0), "")
        self.visit(node.func)
        for part in (*node.args, *(k.value for k in node.keywords if k.arg not in _TEXTS)):
            self.visit(part)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._replace("change a constant", node, str(not value))
        elif isinstance(value, (int, float)):
            self._replace("change a constant", node, repr(value + 1))
        elif isinstance(value, str) and re.fullmatch(r"\w+", value):
            self._replace("change a constant", node, repr(value + "_"))

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()


def mutants_of(file: str, source: bytes) -> list[Mutant]:
    """Everything that can be changed in a file."""
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    return finder.found


def choose(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Choose at random, every kind of change as likely as any other."""
    dice = random.Random(seed)
    kinds: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        kinds[mutant.kind].append(mutant)
    for members in kinds.values():
        dice.shuffle(members)
    chosen: list[Mutant] = []
    while len(chosen) < count and any(kinds.values()):
        kind = dice.choice(sorted(kind for kind, members in kinds.items() if members))
        mutant = kinds[kind].pop()
        if mutant.is_valid():
            chosen.append(mutant)
    return chosen


def sources(rooms: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The modules of the rooms, by path below the root."""
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            inside = path.resolve().relative_to(ROOT)
            if inside.parts[0] == room and not path.name.endswith("_pb2.py"):
                yield inside.as_posix(), path.read_bytes()


class Tree:
    """A copy of the project in which mutants are tried."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        skipped = shutil.ignore_patterns(
            ".git", ".venv", "venv", "build", "dist", "*.egg-info", ".*_cache", "__pycache__"
        )
        shutil.copytree(ROOT, self.root, symlinks=True, ignore=skipped)
        if (ROOT.parent / "shared").exists():
            (folder / "shared").symlink_to(ROOT.parent / "shared")
        place = self._python("-c", "import zoosmith.validation; print(zoosmith.validation.__file__)", timeout=120)[1]
        if not Path(place.strip()).resolve().is_relative_to(self.root.resolve()):
            raise SystemExit(f"the copy of the tree is not what would be tested, but {place.strip()}")

    def passes(self, tests: Sequence[str], limit: float) -> tuple[str, str]:
        """Run tests up to the first failure, within a limit of CPU seconds.

        Returns: `survived`, `caught` or `timeout`, and the test that failed (what was printed last where none did).
        """
        arguments = ("-c", _LIMITED_PYTEST, str(ceil(limit)), "-q", "-x", "-p", "no:cacheprovider", *tests)
        code, printed = self._python(*arguments, timeout=_WAIT + _WAIT_PER_CPU_SECOND * limit)
        if code is None or code == -signal.SIGXCPU:
            return "timeout", ""
        if code == 0:
            return "survived", ""
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", printed, re.MULTILINE)
        return "caught", failed.group(1) if failed else printed.strip()[-200:]

    def try_mutant(self, mutant: Mutant, limit: float) -> tuple[str, str]:
        """Put a mutant in, run the tests of its room, take it out."""
        path = self.root / mutant.file
        source = path.read_bytes()
        # without this an old compiled module of the same size and second would be taken
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
        try:
            path.write_bytes(mutant.applied(source))
            return self.passes(self.tests_of(mutant.file), limit)
        finally:
            path.write_bytes(source)

    def tests_of(self, file: str) -> list[str]:
        """The test files of a module's room, those with the module's name, then those that speak of it, first."""
        room, stem = file.split("/", maxsplit=1)[0], Path(file).stem
        found = sorted((self.root / "tests" / room).rglob("test_*.py"))
        named = [path for path in found if stem in path.stem]
        speaking = [path for path in found if path not in named and re.search(rf"\b{stem}\b", path.read_text())]
        rest = [path for path in found if path not in named and path not in speaking]
        return [str(path.relative_to(self.root)) for path in (*named, *speaking, *rest)]

    def _python(self, *arguments: str, timeout: float) -> tuple[int | None, str]:
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "CI": "1", "PYTHONPATH": str(self.root)}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            printed, _ = process.communicate(timeout=timeout)
            return process.returncode, printed
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, ""


def run(mutants: Sequence[Mutant], results: Path, jobs: int, limit: float | None) -> None:
    """Try the mutants that the results file does not hold yet; a line for each, as soon as it is known.

    `limit` is the CPU time of one mutant in seconds. Without, the tests of each room run once without a mutant.
    """
    known = {json.loads(line)["key"] for line in results.read_text().splitlines()} if results.exists() else set()
    pending = [mutant for mutant in mutants if mutant.key not in known]
    if not pending:
        return
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        trees: Queue[Tree] = Queue()
        for number in range(jobs):
            trees.put(Tree(Path(folder) / str(number)))
        rooms = sorted({mutant.file.split("/")[0] for mutant in pending})
        limits = {room: limit or _cpu_limit(trees, room) for room in rooms}

        def attempt(mutant: Mutant) -> None:
            tree, start = trees.get(), time.monotonic()
            try:
                outcome, test = tree.try_mutant(mutant, limits[mutant.file.split("/")[0]])
            finally:
                trees.put(tree)
            line = {"key": mutant.key, "outcome": outcome, "test": test, "change": str(mutant), **asdict(mutant)}
            with results.open("a") as file:
                file.write(json.dumps(line | {"seconds": round(time.monotonic() - start, 1)}) + "\n")
            print(f"{outcome:9}{mutant}", flush=True)

        list(pool.map(attempt, pending))


def _cpu_limit(trees: "Queue[Tree]", room: str) -> float:
    """CPU seconds that the tests of a room may take: three times what they take without a mutant, and more.

    Without a mutant they must pass.
    """
    tree, before = trees.get(), resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        outcome, test = tree.passes(tree.tests_of(f"{room}/__init__.py"), 3600)
    finally:
        trees.put(tree)
    if outcome != "survived":
        raise SystemExit(f"the tests of {room} fail without a mutant: {outcome} {test}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 30 + 3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def report(mutants: Sequence[Mutant], results: Path) -> float:
    """Print how many were caught, and the survivors; the share that was caught, in per cent."""
    outcomes = {line["key"]: line["outcome"] for line in map(json.loads, results.read_text().splitlines())}
    survivors = [mutant for mutant in mutants if outcomes.get(mutant.key) == "survived"]
    caught = sum(outcomes.get(mutant.key) in {"caught", "timeout"} for mutant in mutants)
    print(f"{caught} of {len(mutants)} mutants caught")
    for mutant in sorted(survivors, key=lambda mutant: (mutant.file, mutant.line)):
        print(f"survived {mutant}")
    return 100 * caught / max(1, len(mutants))


def main() -> int:
    """Parse the command line and run."""
    rooms = sorted(p.parent.name for p in ROOT.glob("*/__init__.py") if p.parent.name not in _NOT_SOURCE)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", nargs="+", default=rooms, choices=rooms, help="folders; by default all")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tried at a time")
    parser.add_argument("--cpu-limit", type=float, help="CPU seconds for the tests of one mutant; else it is measured")
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument("--at-least", type=float, default=0.0, help="per cent that must be caught")
    options = parser.parse_args()
    found = [mutant for file, source in sources(options.rooms) for mutant in mutants_of(file, source)]
    chosen = choose(found, options.count, options.seed)
    print(f"{len(chosen)} of {len(found)} possible changes in {', '.join(options.rooms)}", flush=True)
    run(chosen, options.results, options.jobs, options.cpu_limit)
    return 0 if report(chosen, options.results) >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
