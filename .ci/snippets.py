"""Run the fenced blocks of Markdown pages in the current folder: `shell` with bash, `python` with .venv's Python."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "zoosmith"))
from page_blocks import blocks_of


def main(pages: list[str]) -> None:
    """Run the blocks of each page in their order; the first failure ends the run."""
    count = 0
    for page in pages:
        for language, code, reason in blocks_of(Path(page).read_text(encoding="utf-8")):
            if language not in {"shell", "python"} or reason is not None:
                continue
            print(f"--- {page}\n{code}", flush=True)
            command = ["bash", "-euc", code] if language == "shell" else [".venv/bin/python", "-c", code]
            if subprocess.run(command, check=False).returncode:
                sys.exit(f"{page}: this block fails:\n{code}")
            count += 1
    print(f"{count} blocks of {len(pages)} pages ran")


if __name__ == "__main__":
    main(sys.argv[1:])
