"""The record of one verification, in words and as plain values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from zoosmith.validation.inputs.sizes import Sizes, words_of
from zoosmith.validation.verification.comparison import Comparison

if TYPE_CHECKING:
    # loading a runtime takes longer than most commands take
    from zoosmith.validation.running.runner import Runtime
    from zoosmith.validation.verification.other_runtimes import ForeignResult


@dataclass(frozen=True)
class Limits:
    """What a verification accepts.

    Attributes:
        rtol: relative limit, as `compare` takes it.
        atol: limit in standard deviations of the output, as `compare` takes it.
        timeout: seconds for all runs together; None to let them run.
        prove_in: other runtimes, as `onnxruntime==1.6.0`, in which what was made has to run and agree as well.
    """

    rtol: float = 1e-3
    atol: float = 1e-5
    timeout: float | None = None
    prove_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A value that both models compute, and in which they differ.

    Attributes:
        node: name of the node of the original that computes it; empty where it has none.
        op_type: of the node.
        output: name of the value.
        reason: how it differs.
        place: index of the element that differs most; None where shapes or types differ.
        expected: the original's element there.
        actual: that of what was made.
    """

    node: str
    op_type: str
    output: str
    reason: str
    place: list[int] | None = None
    expected: Any = None
    actual: Any = None

    def __str__(self) -> str:
        where = f"{self.node or 'unnamed'} ({self.op_type}), output {self.output!r}"
        if self.place is None:
            return f"{where}: {self.reason}"
        return f"{where}: {self.actual}, expected {self.expected}, at {self.place}"


@dataclass(frozen=True)
class Proof:
    """The record of one verification.

    Attributes:
        original: the runtime that ran the original.
        converted: the runtime that ran what was made of it, or was to run it.
        source: where the inputs came from, in words.
        shapes: of the inputs of each run, by name.
        comparisons: of the outputs of each run; where one differs, it is the last.
        limits: what was accepted.
        sizes: of the open dimensions in each run.
        failure: why what was made could not be run, though the original was; None where it was run.
        unseen: outputs of which no run gave an element to compare: none at all, or only NaN.
        first_difference: the first value that differs; None if none does or it is not known.
        elsewhere: what became of the model in other runtimes, of each the last run.
    """

    original: "Runtime"
    converted: "Runtime"
    source: str
    shapes: tuple[Mapping[str, list[int]], ...]
    comparisons: tuple[Comparison, ...]
    limits: Limits
    sizes: tuple[Sizes, ...] = ()
    failure: str | None = None
    unseen: tuple[str, ...] = ()
    first_difference: Difference | None = None
    elsewhere: "tuple[ForeignResult, ...]" = field(default=())

    @property
    def passed(self) -> bool:
        """Whether what was made ran, and the outputs of every run, in every runtime, are inside the limits."""
        here = self.failure is None and all(comparison.passed for comparison in self.comparisons)
        return here and all(result.passed for result in self.elsewhere)

    @property
    def largest_error(self) -> float | None:
        """The largest absolute error of all runs; None where nothing has one (integers)."""
        return max((c.max_abs for c in self.comparisons if c.max_abs is not None), default=None)

    @property
    def verdict(self) -> str:
        """`equal`, `close` (inside the limits), `differs`, or `refused` where a runtime does not take what was made."""
        failed = [result.outcome for result in self.elsewhere if not result.passed]
        if failed:
            return failed[0]
        if self.failure is not None:
            return "refused"
        if not self.passed:
            return "differs"
        return "close" if self.largest_error else "equal"

    @property
    def reason(self) -> str | None:
        """Why it differs or is refused; None if it passed."""
        reasons = [comparison.reason for comparison in self.comparisons if not comparison.passed]
        elsewhere = [result.reason for result in self.elsewhere if not result.passed]
        return next(iter([*filter(None, [self.failure]), *reasons, *elsewhere]), None)

    def __str__(self) -> str:
        for result in self.elsewhere:
            if not result.passed:
                return f"fails in {result.runtime}: {result.reason}"
        return "; ".join([self._here(), *map(str, self.elsewhere)])

    def _here(self) -> str:
        if self.failure is not None:
            return f"is refused by {self.converted}, while {self.original} ran the original: {self.failure}"
        if not self.passed:
            first = self.first_difference
            where = f"; the first node that differs is {first}" if first else ""
            return f"differs{self._at(self.sizes[-1:])}: {self.reason}{where}"
        error = "equal" if self.verdict == "equal" else f"close: largest error {self.largest_error:.3g}"
        unseen = f"; nothing to compare in {', '.join(map(repr, self.unseen))}, empty or NaN" if self.unseen else ""
        return f"verified, {error} ({self._runtimes()}{self._at(self.sizes)}){unseen}"

    def _runtimes(self) -> str:
        if self.original == self.converted:
            return str(self.original)
        return f"original in {self.original}, result in {self.converted}"

    def _at(self, sizes: tuple[Sizes, ...]) -> str:
        words = list(dict.fromkeys(words_of(size) for size in sizes if size))
        return f" at {' and '.join(words)}" if words else ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "verdict": self.verdict,
            "passed": self.passed,
            "largest_error": self.largest_error,
            "reason": self.reason,
            "first_difference": None if self.first_difference is None else asdict(self.first_difference),
            "elsewhere": [result.as_dict() for result in self.elsewhere],
            "original": {"runtime": self.original.name, "version": self.original.version},
            "converted": {"runtime": self.converted.name, "version": self.converted.version},
            "inputs": self.source,
            "sizes": [dict(sizes) for sizes in self.sizes],
            "shapes": [dict(shapes) for shapes in self.shapes],
            "unseen_outputs": list(self.unseen),
            "rtol": self.limits.rtol,
            "atol": self.limits.atol,
        }
