"""A model's file, written once: checked and verified where it lies beside its target, then moved there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.checking import check_file
from zoosmith.onnx_model.errors import InvalidModelError, ModelError, ZoosmithError
from zoosmith.onnx_model.files import staged
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.verification.proof import Proof

Prove = Callable[[Path, Callable[[], None]], Proof]
"""Verifies the model at a path; calls the function, which checks the file, while the models are loaded."""


@dataclass(frozen=True)
class Written:
    """What became of a file that was to be written.

    Attributes:
        output: the file; None where it did not pass and nothing was written.
        proof: of the verification; None where there was none.
        invalid: why the file is no valid model; None where it is.
        bytes: size of the file; None where nothing was written.
    """

    output: Path | None
    proof: Proof | None
    invalid: str | None = None
    bytes: int | None = None

    @property
    def verified(self) -> str:
        """The verification in words."""
        if self.invalid is not None:
            return f"is not valid: {self.invalid}"
        return "not verified" if self.proof is None else str(self.proof)

    def proof_as_dict(self) -> dict[str, Any] | None:
        """The proof in plain values for JSON."""
        return None if self.proof is None else self.proof.as_dict()


def write_verified(
    output: Path,
    write: Callable[[Path], None],
    source: Path,
    prove: Prove | None,
    *,
    beside: Sequence[str] = (),
    optional: bool = True,
) -> Written:
    """Write a model's file, check that it is valid, verify it from the file, and only then let it appear.

    Args:
        output: the file to write.
        write: writes the model to a path.
        source: the file that it was made of.
        prove: verifies the model at a path, and calls the check of the file while it loads; None to write it
            unverified.
        beside: names of files in the folder of the output that hold tensors of the model.
        optional: whether the caller may choose to write the result unverified; errors say how then.

    Returns:
        The file, and how it was verified; without a file where it is not valid or did not pass.

    Raises:
        ZoosmithError: the source is not valid or cannot be run, and the result is to be verified; a file cannot be
            written.
    """
    with staged(output) as stage:
        stage.lend(beside)
        write(stage.path)
        proof = None
        try:
            if prove is None:
                check_file(stage.path)
            else:
                proof = prove(stage.path, partial(check_file, stage.path))
        except InvalidModelError as error:
            if _is_valid(source):
                return Written(None, None, str(error))
            if prove is not None:
                hint = f"; {argument('verify=False')} writes the result as it is" if optional else ""
                raise ZoosmithError(f"{source}: {error}{hint}") from error
        except ValidationError as error:
            reason = str(error).removeprefix(f"{source}: ")
            hint = f"; {argument('verify=False')} writes the result unverified" if optional else ""
            raise ValidationError(f"{source}: cannot be verified: {reason}{hint}") from error
        if proof is not None and not proof.passed:
            return Written(None, proof)
        size = stage.path.stat().st_size
        stage.publish()
    return Written(output, proof, bytes=size)


def _is_valid(source: Path) -> bool:
    """Whether the source of an invalid result is not to blame: it is valid itself, or a net."""
    try:
        check_file(source)
    except InvalidModelError:
        return False
    except ModelError:
        return True
    return True
