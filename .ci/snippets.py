"""Run the fenced blocks of Markdown pages in the current folder: `shell` with bash, `python` with .venv's Python."""

import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(shell|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main(pages: list[str]) -> None:
    """Run the blocks of each page in their order; the first failure ends the run."""
    count = 0
    for page in pages:
        for language, code in BLOCK.findall(Path(page).read_text(encoding="utf-8")):
            print(f"--- {page}\n{code}", flush=True)
            command = ["bash", "-euc", code] if language == "shell" else [".venv/bin/python", "-c", code]
            if subprocess.run(command, check=False).returncode:
                sys.exit(f"{page}: this block fails:\n{code}")
            count += 1
    print(f"{count} blocks of {len(pages)} pages ran")


if __name__ == "__main__":
    main(sys.argv[1:])
