"""Where a converted model may differ from the original: what a conversion took although it does not hold everywhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

CaveatKind = Literal["empty tensors", "approximate", "default"]
"""`empty tensors`: the same for every tensor that has elements. `approximate`: the same but for a small error.
`default`: the same while an input that has a default is not given another value."""


class Admitted(NamedTuple):
    """What a rule admits of the node before it."""

    kind: CaveatKind
    reason: str

    def __str__(self) -> str:
        if self.kind == "empty tensors":
            return f"holds but for empty tensors: {self.reason}"
        if self.kind == "default":
            return f"holds for the default value of {self.reason}, which becomes a constant"
        return f"{self.kind}: {self.reason}"


@dataclass(frozen=True)
class Caveat:
    """One node that is expressed in a way which does not hold everywhere.

    Attributes:
        node: the node as messages name it: its name in quotes, or its place and what it makes.
        operator: of the node in the original.
        kind: what kind of difference there may be.
        reason: what it comes from, and how large an error may be.
    """

    node: str
    operator: str
    kind: CaveatKind
    reason: str

    def __str__(self) -> str:
        return f"node {self.node} ({self.operator}): {Admitted(self.kind, self.reason)}"

    def as_dict(self) -> dict[str, str]:
        """The caveat as JSON has it."""
        return {"node": self.node, "operator": self.operator, "kind": self.kind, "reason": self.reason}


def summarize(caveats: Iterable[Caveat]) -> list[str]:
    """One line for each operator and reason, with the number of nodes; in the order of the first node of each."""
    counts: dict[tuple[str, str], int] = {}
    for caveat in caveats:
        key = (caveat.operator, str(Admitted(caveat.kind, caveat.reason)))
        counts[key] = counts.get(key, 0) + 1
    return [f"{count} x {operator}: {text}" for (operator, text), count in counts.items()]
