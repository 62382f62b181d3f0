"""Which opset and IR version a runtime takes: `targets.tsv`, measured or stated by the source beside each row."""

from dataclasses import dataclass
from functools import cache

from zoosmith.validation.runtimes.pins import rows_of
from zoosmith.validation.runtimes.versions import choose


@dataclass(frozen=True)
class Target:
    """What a release of a runtime takes.

    Attributes:
        name: of the runtime, as `onnxruntime`.
        version: its release.
        opset: the highest opset of ai.onnx.
        ir: the highest IR version; None where the source states none.
        source: where these come from.
        ml: the highest opset of ai.onnx.ml; None where the source states none.
    """

    name: str
    version: str
    opset: int
    ir: int | None
    source: str
    ml: int | None = None

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def targets() -> tuple[Target, ...]:
    """Every row of the table, in its order: by runtime, oldest release first."""
    return _targets()


def target_for(text: str) -> Target:
    """The newest listed release that `text` names: `onnxruntime==1.6.0`, `onnxruntime==1.6` or `onnxruntime`.

    Raises ValidationError where it names none; the message lists what there is.
    """
    return choose(text, targets(), "target")


@cache
def _targets() -> tuple[Target, ...]:
    return tuple(
        Target(name, version, int(opset), _number(ir), source, _number(ml))
        for name, version, opset, ml, ir, source in rows_of("targets.tsv")
    )


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)
