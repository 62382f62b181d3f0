"""How far down a model can be converted, and what stands in the way of the next opset."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onnx import ModelProto

from zoosmith.onnx_model.opsets import default_opset
from zoosmith.opset_upgrade.caveats import Caveat, summarize
from zoosmith.opset_upgrade.converter import Conversion, convert
from zoosmith.opset_upgrade.errors import Blocker, OpsetError
from zoosmith.opset_upgrade.type_inference import without_weights


@dataclass(frozen=True)
class Reach:
    """How far down a model can be converted.

    Attributes:
        opset: of the model as it is.
        lowest: the lowest opset that it can be expressed in.
        caveats: where a conversion to that opset would not hold.
        blockers: the nodes that cannot be expressed in the opset below `lowest`; empty where that is opset 1.
    """

    opset: int
    lowest: int
    caveats: tuple[Caveat, ...]
    blockers: tuple[Blocker, ...]

    def __str__(self) -> str:
        reached = f"opset {self.opset}, reaches {self.lowest}"
        if not self.blockers:
            return reached
        counts = Counter((blocker.operator, blocker.reason) for blocker in self.blockers)
        blocked = [f"{count} x {operator}: {reason}" for (operator, reason), count in counts.items()]
        return "; ".join([reached, *summarize(self.caveats), f"{self.lowest - 1} is blocked by {', '.join(blocked)}"])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "opset": self.opset,
            "lowest": self.lowest,
            "caveats": [caveat.as_dict() for caveat in self.caveats],
            "blockers": [blocker.as_dict() for blocker in self.blockers],
        }


def reach(model: ModelProto, *, exact: bool = False) -> Reach:
    """Find the lowest opset of the default domain that a model can be expressed in.

    Nothing is written, and the data of large tensors is not looked at: the model may be loaded without it.

    Args:
        model: the model; it is left as it is.
        exact: do not take ways that hold only with a caveat.

    Returns:
        The opset, and what cannot be expressed in the one below.

    Raises:
        OpsetError: the model imports no opset of the default domain, or a node is malformed.
    """
    bare = without_weights(model)
    source = default_opset(model)
    tried: dict[int, Conversion | OpsetError] = {}

    def reaches(target: int) -> bool:
        if target not in tried:
            try:
                tried[target] = convert(bare, target, exact=exact)
            except OpsetError as error:
                tried[target] = error
        return isinstance(tried[target], Conversion)

    if source is None or not reaches(source):
        convert(bare, source or 1, exact=exact)  # raises what the caller shall read
    lowest = _lowest(source or 1, reaches, lambda target: _enough_for_all(tried[target]))
    found, below = tried[lowest], tried.get(lowest - 1)
    return Reach(
        source or 1,
        lowest,
        found.caveats if isinstance(found, Conversion) else (),
        below.blockers if isinstance(below, OpsetError) else (),
    )


def _lowest(source: int, reaches: Callable[[int], bool], guess: Callable[[int], int]) -> int:
    """The lowest target that is reached, where those above it are as well; each is tried at most once.

    `guess` tells, of a target that is not reached, one above it that may be.
    """
    failed, reached, target = 0, source, 1
    while reached - failed > 1:
        if reaches(target):
            reached = target
            target = (failed + reached) // 2
        else:
            failed = target
            guessed = guess(target)
            target = guessed if failed < guessed < reached else (failed + reached + 1) // 2
        target = min(max(target, failed + 1), reached - 1)
    return reached


def _enough_for_all(failure: Conversion | OpsetError) -> int:
    """The opset that the refusals say would do, 0 where they do not say."""
    blockers = failure.blockers if isinstance(failure, OpsetError) else ()
    return max((blocker.lowest or 0 for blocker in blockers), default=0)
