"""Break random behaviours of the code in the current folder, one at a time, and count what the tests catch.

Run by the Python of an environment in which the current folder is installed editable. The tests of the mirrored folder
judge each mutant. Prints the survivors and the share that was caught.
"""

import argparse
import ast
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SWAPPED: dict[type[ast.AST], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "+",
    ast.FloorDiv: "*",
    ast.Div: "*",
    ast.And: "or",
    ast.Or: "and",
}


class Mutant(NamedTuple):
    """A piece of a file and what stands there instead."""

    path: Path
    line: int
    start: int
    end: int
    text: str


def mutants(path: Path) -> Iterator[Mutant]:
    """Every single change of a module: an operator swapped, a number or truth value changed, a call left out."""
    source = path.read_bytes()
    lines = [0]
    for line in source.split(b"\n"):
        lines.append(lines[-1] + len(line) + 1)

    def place(node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno and node.end_col_offset
        return lines[node.lineno - 1] + node.col_offset, lines[node.end_lineno - 1] + node.end_col_offset

    tree = ast.parse(source)
    # Python below 3.12 does not place what stands in an f-string
    unplaced = {id(n) for f in ast.walk(tree) if isinstance(f, ast.JoinedStr) for n in ast.walk(f)}
    for node in ast.walk(tree):
        text = None
        if id(node) in unplaced:
            continue
        if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED and len(node.ops) == 1:
            text = f"({ast.unparse(node.left)} {SWAPPED[type(node.ops[0])]} {ast.unparse(node.comparators[0])})"
        elif isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
            text = f"({ast.unparse(node.left)} {SWAPPED[type(node.op)]} {ast.unparse(node.right)})"
        elif isinstance(node, ast.BoolOp):
            text = "(" + f" {SWAPPED[type(node.op)]} ".join(f"({ast.unparse(v)})" for v in node.values) + ")"
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            text = f"bool({ast.unparse(node.operand)})"
        elif isinstance(node, ast.Constant) and type(node.value) in (bool, int):
            text = str(not node.value) if isinstance(node.value, bool) else f"({node.value} + 1)"
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            text = "pass"
        if text is not None:
            assert isinstance(node, ast.expr | ast.stmt)
            start, end = place(node)
            yield Mutant(path, node.lineno, start, end, text)


def caught(mutant: Mutant, seconds: float) -> bool:
    """Whether the mirrored folder's tests fail, or do not end, with the mutant in place."""
    source = mutant.path.read_bytes()
    tests = Path("tests", mutant.path.parts[0])
    try:
        mutant.path.write_bytes(source[: mutant.start] + mutant.text.encode() + source[mutant.end :])
        command = [sys.executable, "-m", "pytest", "-x", "-n", "auto", tests]
        return subprocess.run(command, capture_output=True, timeout=seconds, check=False).returncode != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        mutant.path.write_bytes(source)


def main() -> int:
    """Draw mutants evenly over the rooms and judge them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wanted", type=int, default=95, help="percent that must be caught")
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for the tests of one mutant")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    rooms = sorted({path.parent.name for path in Path().glob("*/__init__.pyi")})
    files = {room: [path for path in Path(room).rglob("*.py") if "_pb2" not in path.name] for room in rooms}
    files["zoosmith"] = [p for p in files["zoosmith"] if not any(parent.is_symlink() for parent in p.parents)]
    drawn = [
        draw.choice(found)
        for index in range(options.count)
        if (found := [m for path in sorted(files[rooms[index % len(rooms)]]) for m in mutants(path)])
    ]
    survivors = []
    for number, mutant in enumerate(drawn, 1):
        was_caught = caught(mutant, options.timeout)
        print(f"{number}/{len(drawn)} {mutant.path}:{mutant.line} {'caught' if was_caught else 'SURVIVED'}", flush=True)
        if not was_caught:
            survivors.append(f"{mutant.path}:{mutant.line}: {mutant.text}")
    print(*survivors, sep="\n")
    print(f"FIGURE mutants caught: {len(drawn) - len(survivors)} of {len(drawn)} (seed {options.seed})")
    return 0 if (len(drawn) - len(survivors)) * 100 >= options.wanted * len(drawn) else 1


if __name__ == "__main__":
    sys.exit(main())
