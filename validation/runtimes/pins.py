"""The runtimes that can be installed, and the exact wheels that make each of them."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from zoosmith.validation.runtimes.versions import choose


@dataclass(frozen=True)
class PinnedRuntime:
    """A runtime that `install` makes an environment of.

    Attributes:
        name: its name, that of its package where it is one.
        version: its version.
        pythons: the versions of Python for which all wheels exist, the first to try first.
        requirements: its packages, each as `name==version`.
    """

    name: str
    version: str
    pythons: tuple[str, ...]
    requirements: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    def pinned(self) -> list[str]:
        """Lines of a requirements file: every package with the SHA-256 of every wheel of it."""
        hashes = _hashes()
        return [" ".join([name, *(f"--hash=sha256:{sha}" for sha in hashes[name])]) for name in self.requirements]


def supported() -> tuple[PinnedRuntime, ...]:
    """Every runtime with pins, in the order of the table."""
    return _runtimes()


def runtime_for(text: str) -> PinnedRuntime:
    """The runtime of a name.

    Args:
        text: `NAME==VERSION`, or `NAME` for the newest, as `versions.choose` reads it.

    Raises:
        ValidationError: no runtime with pins is called so.
    """
    return choose(text, supported(), "runtime")


def rows_of(table: str) -> list[list[str]]:
    """The rows of a tab-separated table beside this module, without comments and the header."""
    text = files("zoosmith.validation.runtimes").joinpath(table).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.split("\t") for line in lines[1:]]


@cache
def _runtimes() -> tuple[PinnedRuntime, ...]:
    return tuple(
        PinnedRuntime(name, version, tuple(pythons.split()), tuple(requirements.split()))
        for name, version, pythons, requirements in rows_of("runtimes.tsv")
    )


@cache
def _hashes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for package, version, _, sha in rows_of("wheels.tsv"):
        found.setdefault(f"{package}=={version}", []).append(sha)
    return found
