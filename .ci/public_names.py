"""Print a module that imports everything that the package and its rooms publish, and then does the README's example.

pyright and mypy read it as a user's code would be read, with the wheel installed.
"""

import ast
import importlib
import re
import sys
from pathlib import Path

import zoosmith


def main(readme: str) -> None:
    """Write the module."""
    print("# pyright: strict, reportUnusedImport=false")
    rooms = sorted(path.parent.name for path in Path(zoosmith.__file__).parent.glob("*/__init__.pyi"))
    for room in ["zoosmith", *(f"zoosmith.{room}" for room in rooms)]:
        for name in importlib.import_module(room).__all__:
            print(f"from {room} import {name} as {room.replace('.', '_')}_{name}")
    for code in re.findall(
        r"^```python\n(.*?)^```$", Path(readme).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        print(ast.parse(code) and code)


if __name__ == "__main__":
    main(sys.argv[1])
