"""Run all attacks, or those whose names begin so, and print how the commands ended: `python -m tests.attacks NAME`."""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.attacks.attack import ATTACKS
from tests.attacks.commands import make_sound_files
from tests.attacks.test_attacks import run_attack
from tests.attacks.worker import Worker

if __name__ == "__main__":
    wanted = [attack for attack in ATTACKS if str(attack).startswith(tuple(sys.argv[1:]) or "")]
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
    print(
        f"{len(wanted)} attack files, {sum(codes.values())} runs, exit codes {dict(sorted(codes.items(), key=str))}, "
        f"{faults} with faults; at most {most[0] >> 20} MB and {most[1]:.1f} s"
    )
