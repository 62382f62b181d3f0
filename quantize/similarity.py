"""How alike the outputs of a float model and of an integer one are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from zoosmith.execution import give_back
from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.mapped import size_in_bytes
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.selection import before_selection
from zoosmith.validation import OnnxRuntimeRunner, runner_for

Outputs = Sequence[Mapping[str, Any]]
_Table = list[list[tuple[float, float, float] | None]]

# sums of an output of which a finite value became NaN or infinite
_BROKEN = (np.nan, np.nan, np.nan)


def run(model: onnx.ModelProto, samples: Samples) -> Outputs:
    """The outputs for each sample, by name. Raises ValidationError where the model cannot be run."""
    runner = runner_for(model, spin=False)
    outputs = [runner.run(sample) for sample in samples]
    # of a large model as much as its weights, which the next session needs as well
    del runner
    give_back(size_in_bytes(model))
    return outputs


def cosine(exact: Outputs, found: Outputs) -> float | None:
    """The smallest cosine between a float output and its counterpart, over all samples together.

    Values that are not finite are left out, and outputs whose shape depends on the values: None where none are left.
    It is 0 where a finite value has become one that is not.
    """
    return min((_of_sums(sums.sum(axis=0)) for sums in _compared(_sums_of_outputs(exact, found))), default=None)


def probable_cosine(exact: Outputs, found: Outputs) -> float | None:
    """As `cosine`, and less by its standard error: what other samples are likely to have.

    The standard error is the jackknife's, over samples (Efron and Stein, The jackknife estimate of variance, 1981).
    """
    every = _compared(_sums_of_outputs(exact, found))
    return min((_of_sums(sums.sum(axis=0)) - _error(sums) for sums in every), default=None)


def _error(sums: Array) -> float:
    """The standard error of the cosine of samples with these sums."""
    count = len(sums)
    without_one = np.array([_of_sums(each) for each in sums.sum(axis=0) - sums])
    return float(np.sqrt((count - 1) * without_one.var())) if count > 1 else 0.0


def _of_sums(sums: Array) -> float:
    """The cosine of two vectors by their dot product and the square of each length; 1 where both are of zeros.

    0 where these are `_BROKEN`.
    """
    product, of_exact, of_found = sums
    if np.isnan(product):
        return 0.0
    length = float(np.sqrt(of_exact) * np.sqrt(of_found))
    return float(product) / length if length else float(of_exact == of_found)


def _sums_of_outputs(exact: Outputs, found: Outputs) -> _Table:
    """For each output and sample the dot product and the squares of both lengths; None where they have other shapes."""
    return [
        [_sums(a[name], b[name]) if _comparable(a[name], b[name]) else None for a, b in zip(exact, found, strict=True)]
        for name in (exact[0] if exact else ())
    ]


def _compared(table: _Table) -> Iterator[Array]:
    """The sums of each output that can be compared on all samples, as float64 (samples, 3)."""
    for row in table:
        chosen = [sums for sums in row if sums is not None]
        if len(chosen) == len(row):
            yield np.array(chosen)


def _sums(exact: Array, found: Array) -> tuple[float, float, float]:
    finite, remains = np.isfinite(exact), np.isfinite(found)
    if not remains[finite].all():
        return _BROKEN
    if finite.all():  # to choose by it takes longer than all else
        wanted, given = exact.reshape(-1).astype(np.float64), found.reshape(-1).astype(np.float64)
    else:
        usable = finite & remains
        wanted, given = exact[usable].astype(np.float64), found[usable].astype(np.float64)
    return float(wanted @ given), float(wanted @ wanted), float(given @ given)


def _comparable(exact: Any, found: Any) -> bool:
    return isinstance(exact, np.ndarray) and exact.dtype.kind == "f" and exact.shape == found.shape


class CosineLoss:
    """What a quantized model loses: 1 less its probable cosine to the float one, before boxes are selected.

    Args:
        exact: the float model.
        samples: the inputs by name.
        more: others that are looked at as well where `samples` are few; the loss is that of `samples` alone or of all,
            whichever is larger.
        sorts: of how many sorts `samples` are, in turns; the loss is that of the sort that loses most, since a sort on
            which outputs are small counts for little in the cosine over all.
        node_by_node: the model is one for other runtimes, too, which may run its nodes one by one: the loss is that of
            ONNX Runtime with its joined operators or without, whichever is larger.

    Raises:
        QuantizeError: the float model gives no finite value, so that nothing can be compared.
    """

    def __init__(
        self,
        exact: onnx.ModelProto,
        samples: Samples,
        more: Samples = (),
        *,
        sorts: int = 1,
        node_by_node: bool = False,
    ) -> None:
        self._parts = [slice(len(samples))]
        if sorts > 1:
            self._parts += [slice(first, len(samples), sorts) for first in range(sorts)]
        if more:
            self._parts.append(slice(None))
        self._samples = [*samples, *more] if more else samples
        self._node_by_node = node_by_node
        self._wanted = run(before_selection(exact), self._samples)
        floats = [value for outputs in self._wanted for value in outputs.values() if _comparable(value, value)]
        if any(value.size for value in floats) and not any(np.isfinite(value).any() for value in floats):
            raise QuantizeError("nothing can be compared: on the samples the model gives only NaN or infinity")

    def __call__(self, model: onnx.ModelProto) -> float:
        """The loss of a model; 0 where no outputs can be compared."""
        model = before_selection(model)
        losses = self._losses(run(model, self._samples))
        if self._node_by_node:
            runner = OnnxRuntimeRunner(model, node_by_node=True, spin=False)
            losses += self._losses([runner.run(sample) for sample in self._samples])
        return max(losses)

    def _losses(self, found: Outputs) -> list[float]:
        cosines = [probable_cosine(self._wanted[part], found[part]) for part in self._parts]
        return [0.0 if each is None else 1 - each for each in cosines]
