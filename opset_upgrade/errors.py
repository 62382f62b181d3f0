"""What `opset_upgrade` raises."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onnx.version_converter import ConvertError

from zoosmith.onnx_model.errors import ZoosmithError


@dataclass(frozen=True)
class Blocker:
    """A node that cannot be expressed.

    Attributes:
        where: the node as messages name it.
        operator: its operator; empty where a whole function is meant.
        reason: why.
        lowest: the lowest version at which the node could stay as it is; None where the version is not the reason.
        domain: whose version that is.
    """

    where: str
    operator: str
    reason: str
    lowest: int | None
    domain: str = ""

    def __str__(self) -> str:
        version = f"{self.domain or 'opset'} {self.lowest}"
        enough = f"; {version} is the lowest that would do" if self.lowest else ""
        return f"{self.where}{f' ({self.operator})' if self.operator else ''}: {self.reason}{enough}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        lowest = {"lowest": self.lowest} if not self.domain else {"lowest": self.lowest, "domain": self.domain}
        return {"node": self.where, "operator": self.operator, "reason": self.reason, **lowest}


def list_blockers(blockers: Iterable[Blocker]) -> str:
    """All blockers in one line; those of one operator that have the same reason together."""
    groups: dict[Blocker, list[str]] = {}
    for each in blockers:
        groups.setdefault(replace(each, where=""), []).append(each.where)
    return ". ".join(str(replace(group, where=", ".join(places))) for group, places in groups.items())


class OpsetError(ZoosmithError, RuntimeError, ConvertError):
    """A model that cannot be moved to the asked opset; the message is one line for the user.

    A RuntimeError and a ConvertError too, which are what onnx's own converter raises.

    Attributes:
        blockers: the nodes that stand in the way, in the order of the model; empty where something else does.
    """

    def __init__(self, message: str, blockers: Sequence[Blocker] = ()) -> None:
        super().__init__(message)
        self.blockers = tuple(blockers)


class Refusal(Exception):
    """Raised by an adapter that cannot keep the meaning of its node; the converter gathers these into one OpsetError.

    Attributes:
        lowest: the lowest version of its domain at which the node could stay as it is; None where an older one is not
            the trouble.
        domain: that domain, empty for the default one.
        for_sizes: whether fixed sizes of the model's inputs might do.
    """

    lowest: int | None = None
    domain: str = ""

    def __init__(self, reason: str, *, for_sizes: bool = False) -> None:
        super().__init__(reason)
        self.for_sizes = for_sizes

    def within(self, operator: str) -> "Refusal":
        """The same refusal, for an operator that replaces a part of the node."""
        part = Refusal(f"it would take {operator}: {self}", for_sizes=self.for_sizes)
        return part.at(self.lowest, self.domain)

    def at(self, lowest: int | None, domain: str = "") -> "Refusal":
        """The same refusal, with the version of a domain that would do."""
        self.lowest, self.domain = lowest, domain
        return self
