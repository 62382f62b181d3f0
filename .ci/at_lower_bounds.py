"""Fail where an installed dependency is newer than its lower bound: then the bound says more than can be true."""

import sys
from importlib.metadata import requires, version

from packaging.requirements import Requirement
from packaging.version import Version


def main() -> int:
    """Compare what is installed with what pyproject.toml names."""
    above = []
    for line in requires("zoosmith") or []:
        requirement = Requirement(line)
        if requirement.name == "zoosmith" or (
            requirement.marker and not requirement.marker.evaluate({"extra": "test"})
        ):
            continue
        bounds = [Version(s.version) for s in requirement.specifier if s.operator == ">="]
        installed = Version(version(requirement.name))
        print(f"{requirement.name} {installed}")
        if len(bounds) != 1 or installed != bounds[0]:
            above.append(f"{requirement}: {installed} is installed")
    print(*above, sep="\n")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
