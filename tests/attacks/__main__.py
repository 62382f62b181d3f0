"""Run attacks and print how the commands ended.

    python -m tests.attacks [NAME...] [--part 2/12]

All of them, or those whose names begin so; in parts where the machine allows no long run. The exit code is 1 where a
command was harmed.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.attacks.attack import ATTACKS
from tests.attacks.commands import COMMANDS, make_sound_files
from tests.attacks.test_attacks import run_attack
from tests.attacks.worker import Worker


def main() -> int:
    """Run them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="how the names of attacks begin")
    parser.add_argument("--part", default="1/1", help="every so many, beginning with this one: 2/12")
    given = parser.parse_args()
    first, step = map(int, given.part.split("/"))
    wanted = [attack for attack in ATTACKS if str(attack).startswith(tuple(given.names) or "")][first - 1 :: step]
    codes: Counter[int | None] = Counter()
    faults = 0
    most = (0, 0.0)
    worker = Worker()
    with tempfile.TemporaryDirectory() as sound:
        make_sound_files(Path(sound))
        for attack in wanted:
            with tempfile.TemporaryDirectory() as folder:
                for name, outcome, found in run_attack(attack, Path(folder), Path(sound), worker):
                    codes[outcome.code] += 1
                    faults += bool(found)
                    most = (max(most[0], outcome.grown), max(most[1], outcome.cpu))
                    if found:
                        print(f"{attack} x {name}: {'; '.join(found)}: {outcome.err.strip()[-200:]!r}", flush=True)
    worker.close()
    commands = sum(len(COMMANDS[kind]) for kind in {attack.kind for attack in wanted})
    print(
        f"{len(wanted)} attack files, {commands} commands by kind of file, {sum(codes.values())} runs, exit codes "
        f"{dict(sorted(codes.items(), key=str))}, {faults} with faults; at most {most[0] >> 20} MB and {most[1]:.1f} s"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
