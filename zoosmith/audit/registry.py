"""The checks by name. A check is one function in a module of `zoosmith.audit.checks`, registered by a decorator."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from zoosmith.audit.files import AuditedFile, Kind
from zoosmith.onnx_model.registry import Registry

Judge: TypeAlias = Callable[[AuditedFile], Iterable[str] | None]
"""Gives what is wrong with a file, in words; None where the check does not apply to it."""


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        kinds: the kinds of files that it is for.
        judge: what it does.
        of_any_file: whether it is for files that are not there, and for Git LFS pointers, too.
        of_lone_archives: whether it judges a model, and so the one in an archive only where that lies nowhere else.
    """

    kinds: tuple[Kind, ...]
    judge: Judge
    of_any_file: bool
    of_lone_archives: bool


CHECKS: Registry[str, Check] = Registry("zoosmith.audit.checks", "check")


def check(
    name: str, *kinds: Kind, of_any_file: bool = False, of_lone_archives: bool = False
) -> Callable[[Judge], Judge]:
    """Register a check.

    Args:
        name: of the check, as reports have it.
        *kinds: as in `Check`.
        of_any_file: as in `Check`.
        of_lone_archives: as in `Check`.
    """

    def register(judge: Judge) -> Judge:
        CHECKS.add(name, Check(kinds, judge, of_any_file, of_lone_archives))
        return judge

    return register
