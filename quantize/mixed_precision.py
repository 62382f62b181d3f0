"""Mixed precision: the fastest model that keeps a limit of accuracy, some of its layers in float."""

from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.traversal import all_graphs
from zoosmith.optimize import to_proto
from zoosmith.optimize.values import name_of
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.clipping import narrow_ranges
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.input_moments import measure_moments
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.layers import measure_layers, signal_to_noise
from zoosmith.quantize.plan.error_price import ErrorPrice, Sensitivity
from zoosmith.quantize.plan.float_time import dropped_time, float_time
from zoosmith.quantize.plan.partition import Step, partition, units
from zoosmith.quantize.plan.planned_time import PlannedTime, planned_time
from zoosmith.quantize.plan.planning import NO_PRICE, integer_nodes, tensor_shapes
from zoosmith.quantize.plan.sensitivity import measure_sensitivity
from zoosmith.quantize.plan.shared_scales import COARSER, MUCH_COARSER, choose_parameters
from zoosmith.quantize.quantizer import (
    equalized,
    fold,
    refuse_newer,
    rewrite,
    simplified,
    without_functions,
    write_integer,
)
from zoosmith.quantize.ranges_cache import kept_or_calibrated
from zoosmith.quantize.subgraphs import WEIGHTED, Within, quantize_every_graph
from zoosmith.quantize.target import INTEGER, Target
from zoosmith.quantize.writing.integer_writer import Encoding
from zoosmith.quantize.writing.rounded_weights import NONE_ROUNDED, RoundedWeights, round_weights
from zoosmith.quantize.writing.same_numbers import needed_bounds

# microseconds that the worst error costs at the lowest price: less than any operator gains
_LOWEST = 0.1
# by how much the price of errors grows from one plan to the next, and how many there are: up to 10 ** 10 times as high
_FACTOR = 1.1
_PRICES = 240
# LSTMs stay in float where that leaves no more than this share of the drop: they gain time, and lose little mostly
_RECURRENT_SHARE = 0.5


@dataclass(frozen=True)
class Limited:
    """What `quantize_within` found.

    Attributes:
        model: the quantized model.
        drop: of that model.
        kept: the layers that stayed in float for their errors, though they are faster in integers: names of the values
            that they make, the costliest first.
        met: whether the drop is inside the limit; where it is not, this is the best that was found.
        layers: the integer layers of that model.
        time: of that model and of the float one, by the table of costs.
    """

    model: onnx.ModelProto
    drop: float
    kept: tuple[str, ...]
    met: bool
    layers: tuple[Layer, ...]
    time: PlannedTime


def quantize_within(
    model: onnx.ModelProto,
    samples: Samples,
    drop_of: Callable[[onnx.ModelProto], float] = lambda model: 0.0,
    limit: float = 0.0,
    *,
    method: str = "minmax",
    target: Target = INTEGER,
    keep: int = 0,
    rank: bool = False,
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> Limited:
    """Quantize as it is fastest, as long as the drop is at a limit or below; at least one layer is quantized.

    Where the fastest model drops more, it is measured what each rounding costs the outputs (`measure_sensitivity`), and
    the plan is made again with a price for errors beside that of time. The higher the price, the more accurate and the
    slower the plan: the lowest one that keeps the limit is found by bisection, over models that are written and run.

    A graph inside of a node is quantized before the one that it stands in, and so that the whole model keeps the limit.

    Args:
        model: as for `quantize`.
        samples: as for `quantize`.
        drop_of: what a quantized model loses, in the unit of `limit`; by default nothing.
        limit: the largest drop to accept.
        method: as for `calibrate`.
        target: the form of the result.
        keep: how many of the layers whose errors cost most stay in float in any case, of all graphs together.
        rank: measure what each layer's errors cost even where nothing has to be chosen by it.
        cache: as for `quantize`.
        progress: notified of the calibration runs and of what was measured.

    Returns:
        The quantized model, its drop, and what was kept in float. Where no model keeps the limit it is the best one,
        and `met` is false.

    Raises:
        QuantizeError: as for `quantize`; or no layer would be quantized.
    """
    refuse_newer(model, target)
    model = without_functions(model)
    every: list[Limited] = []
    graphs = sum(any(node.op_type in WEIGHTED for node in graph.node) for graph in all_graphs(model))

    def calibrated(graph: onnx.ModelProto, given: Samples) -> _Calibrated:
        return _Calibrated(graph, given, method, target, cache, progress)

    looked_at = _costliest(model, samples, calibrated, keep, progress) if keep else []

    def quantize_graph(graph: onnx.ModelProto, given: Samples, within: Within) -> onnx.ModelProto:
        seen = looked_at[len(every)] if keep else None
        # a graph is another one where those inside of it are quantized now
        floats = seen.floats if seen is not None and seen.graph == graph else calibrated(graph, given)
        # what one graph loses is lost for those after it: each may add an equal part
        share = min((len(every) + 1) / max(graphs, 1), 1.0)
        kept = seen.kept if seen is not None else []
        every.append(_limited(floats, lambda found: drop_of(within(found)), limit * share, kept, rank, progress))
        return every[-1].model

    whole = quantize_every_graph(model, samples, simplified, quantize_graph, progress)
    kept = tuple(name for each in every for name in each.kept)
    layers = tuple(layer for each in every for layer in each.layers)
    time = sum((each.time for each in every), PlannedTime())
    return Limited(whole, every[-1].drop, kept, every[-1].drop <= limit, layers, time)


def _costliest(
    model: onnx.ModelProto,
    samples: Samples,
    calibrated: Callable[[onnx.ModelProto, Samples], "_Calibrated"],
    count: int,
    progress: Progress,
) -> list["_LookedAt"]:
    """The layers whose errors cost the outputs of their graph most, of all graphs together.

    Returns:
        Each graph, in the order of `quantize_every_graph`.
    """
    costs: list[tuple[float, int, str]] = []
    graphs: list[_LookedAt] = []

    def look(graph: onnx.ModelProto, given: Samples, _: Within) -> onnx.ModelProto:
        floats = calibrated(graph, given)
        fastest = floats.plan()
        sensitivity = floats.sensitivity(fastest, progress)
        costs.extend((-sensitivity.of_layer(step), len(graphs), step.name) for step in floats.layers(fastest))
        graphs.append(_LookedAt(graph, floats))
        return graph

    quantize_every_graph(model, samples, simplified, look)
    if count >= len(costs) > 0:
        raise QuantizeError(
            f"{count} layers to keep in float of {len(costs)} in all; expected at most {len(costs) - 1}"
        )
    for _, number, name in sorted(costs)[:count]:
        graphs[number].kept.append(name)
    return graphs


def _limited(
    calibrated: "_Calibrated",
    drop_of: Callable[[onnx.ModelProto], float],
    limit: float,
    kept: list[str],
    rank: bool,
    progress: Progress,
) -> Limited:
    """Quantize one graph; the layers `kept` stay in float in any case."""
    fastest = calibrated.plan()
    layers = calibrated.layers(fastest)
    sensitivity = calibrated.sensitivity(fastest, progress) if kept or rank else None
    ranked = layers if sensitivity is None else _ranked(layers, sensitivity)
    found = _tried(calibrated, calibrated.plan(kept), drop_of)
    without_price = found.plan
    changed, found = _with_changes(calibrated, fastest, found, drop_of, limit)
    if changed is not calibrated:
        calibrated, sensitivity = changed, None
    if found.drop > limit:
        sensitivity = sensitivity or calibrated.sensitivity(fastest, progress)
        ranked = _ranked(layers, sensitivity)

        def plan_at(errors: ErrorPrice) -> _Plan:
            return calibrated.plan(kept, errors, fastest)

        found = _search(calibrated, plan_at, sensitivity, found, drop_of, limit, progress)
    left = {*kept, *without_price.integer} - found.plan.integer
    in_float = tuple(step.name for step in ranked if step.name in left)
    return Limited(
        found.integer.model,
        found.drop,
        in_float,
        found.drop <= limit,
        calibrated.measured(found, sensitivity),
        calibrated.time(found.plan),
    )


def _with_changes(
    calibrated: "_Calibrated",
    fastest: "_Plan",
    found: "_Tried",
    drop_of: Callable[[onnx.ModelProto], float],
    limit: float,
) -> tuple["_Calibrated", "_Tried"]:
    """What lowers the drop of a plan without a layer in float, as long as it is above the limit."""
    changes = {
        _Calibrated.with_float_recurrences: _RECURRENT_SHARE,
        _Calibrated.with_own_scales: 1.0,
        _Calibrated.narrowed: 1.0,
        _Calibrated.rounded_by_covariance: 1.0,
    }
    for changed, share in changes.items():
        other = changed(calibrated, fastest) if found.drop > limit else calibrated
        if other is not calibrated:
            tried = _tried(other, found.plan, drop_of)
            if tried.drop < share * found.drop:
                found, calibrated = tried, other
    return calibrated, found


@dataclass
class _LookedAt:
    """A graph that was calibrated, and names of the layers that stay in float, the costliest first."""

    graph: onnx.ModelProto
    floats: "_Calibrated"
    kept: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Plan:
    """Which steps become integer, and which layers in float keep their float weights; by their names."""

    integer: frozenset[str]
    exact: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Integer:
    """An integer model, and what it was written from."""

    model: onnx.ModelProto
    encodings: Mapping[str, Encoding]


@dataclass(frozen=True)
class _Tried:
    """A plan, the model written by it, and what that loses."""

    plan: _Plan
    integer: _Integer
    drop: float


class _Calibrated:
    """A float model with the ranges of its values: integer models are written from it, by any plan.

    Attributes:
        prepared: the float model.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        samples: Samples,
        method: str,
        target: Target,
        cache: Path | None,
        progress: Progress,
    ) -> None:
        self._target = target
        folded = fold(model)
        self.prepared = rewrite(folded.clone(), target)
        self._exact = to_proto(self.prepared)
        self._shapes = tensor_shapes(self.prepared, self._exact, samples)
        self._float_time = float_time(units(folded), self._shapes)
        self._dropped = PlannedTime(float_model=dropped_time(model, folded))
        del folded
        ranges = kept_or_calibrated(
            self._exact, samples, method=method, tensors=self._shapes, cache=cache, progress=progress
        )
        self._ranges = equalized(self.prepared, self._shapes, ranges, target)
        self._exact = to_proto(self.prepared)
        self._samples = samples
        self._coarser = MUCH_COARSER
        self._rounded: Mapping[str, RoundedWeights] = NONE_ROUNDED
        self._progress = progress
        self._exact_names: frozenset[str] = frozenset()
        self._measured: tuple[_Plan, Sensitivity] | None = None

    def _copy(self) -> "_Calibrated":
        """The same, to be changed."""
        result = copy(self)
        result._measured = None
        return result

    def plan(self, kept: Collection[str] = (), errors: ErrorPrice = NO_PRICE, within: "_Plan | None" = None) -> "_Plan":
        """The plan of the least cost.

        Args:
            kept: names of steps that stay in float, with their weights.
            errors: the price of errors.
            within: a plan of which other steps in float stay so.
        """
        steps = units(self.prepared)
        others = [step.name for step in steps if within is not None and step.name not in within.integer]
        integer = integer_nodes(
            self.prepared, self._shapes, keep_float={*kept, *others}, target=self._target, errors=errors
        )
        exact = {step.name for step in steps if step.name in kept or errors.wants_float_weights(step)}
        return _Plan(frozenset(integer), frozenset(exact - integer))

    def time(self, plan: _Plan) -> PlannedTime:
        """What a plan takes, by the table of costs."""
        thresholds = self._target.thresholds
        planned = planned_time(self.prepared, self._shapes, plan.integer, self._float_time, thresholds=thresholds)
        return planned + self._dropped

    def layers(self, plan: _Plan) -> list[Step]:
        """The integer steps that make values of their own: all but those that move values."""
        return [
            step for step in units(self.prepared) if step.name in plan.integer and step.form and not step.form.moves
        ]

    def has_layers(self, plan: _Plan) -> bool:
        """Whether a plan has an integer step with weights."""
        return any(step.form and step.form.starts for step in self.layers(plan))

    def written(self, plan: _Plan) -> _Integer:
        """The model of a plan."""
        result = self.prepared.clone()
        parts = partition(result, plan.integer)
        exact = plan.exact | self._exact_names
        encodings = write_integer(result, parts, self._ranges, self._target, exact, self._coarser, self._rounded)
        return _Integer(to_proto(result), encodings)

    def with_float_recurrences(self, plan: _Plan) -> "_Calibrated":
        """The same with LSTMs in float; itself where they are so in any case."""
        if "DynamicQuantizeLSTM" not in self._target.contrib_operators or not self._recurrences():
            return self
        result = self._copy()
        result._exact_names = self._recurrences()
        return result

    def _recurrences(self) -> frozenset[str]:
        return frozenset(step.name for step in units(self.prepared) if step.node.op_type == "LSTM")

    def with_own_scales(self, plan: _Plan) -> "_Calibrated":
        """The same with scales of their own for more values that meet in a Concat; itself where there are none."""
        parts = partition(self.prepared, plan.integer)
        result = self._copy()
        result._coarser = COARSER
        ours, theirs = (
            choose_parameters(self.prepared, parts, self._ranges, self._target, each._coarser)
            for each in (result, self)
        )
        same = ours.keys() == theirs.keys() and all(found.same_as(theirs[value]) for value, found in ours.items())
        return self if same else result

    def narrowed(self, plan: _Plan) -> "_Calibrated":
        """The same with ranges of the least error for the values that a plan encodes."""
        parts = partition(self.prepared, plan.integer)
        result = self._copy()
        result._ranges = narrow_ranges(
            self._exact,
            lambda ranges: choose_parameters(self.prepared, parts, ranges, self._target, self._coarser),
            self._ranges,
            self._samples,
        )
        return result

    def rounded_by_covariance(self, _: _Plan) -> "_Calibrated":
        """The same with weights whose rounding errors make up for each other."""
        steps = {step.node: step for step in units(self.prepared) if step.form and step.form.starts}
        result = self._copy()
        result._rounded = {
            step.name: round_weights(step.node, self._ranges.get(name_of(step.sources[0])), moments=moments)
            for node, moments in measure_moments(self._exact, list(steps), self._samples, self._progress)
            for step in [steps[node]]
        }
        return result

    def sensitivity(self, plan: _Plan, progress: Progress) -> Sensitivity:
        """What each rounding of a plan costs the outputs, and that of weights in other layers; measured once a plan."""
        if self._measured is None or self._measured[0] != plan:
            model = self.prepared.clone()
            parts = partition(model, plan.integer)
            parameters = choose_parameters(model, parts, self._ranges, self._target, self._coarser)
            found = measure_sensitivity(model, parameters, self._ranges, self._samples, self._rounded, progress)
            self._measured = plan, found
        return self._measured[1]

    def measured(self, found: _Tried, sensitivity: Sensitivity | None) -> tuple[Layer, ...]:
        """The integer layers of a model, on the first samples."""
        needed = {
            name_of(step.output): needed_bounds(step.output, self.prepared.graph.outputs)
            for step in units(self.prepared)
            if step.form
        }
        layers = measure_layers(
            self._exact,
            found.integer.model,
            partition(self.prepared, found.plan.integer),
            found.integer.encodings,
            self._samples,
            needed=needed,
            signed=self._target.signed,
        )
        if sensitivity is None:
            return layers
        alone = {
            name_of(step.output): signal_to_noise(1.0, sensitivity.of_layer(step))
            for step in units(self.prepared)
            if step.form
        }
        return tuple(replace(layer, alone_db=alone[layer.name]) for layer in layers)


def _ranked(layers: Collection[Step], sensitivity: Sensitivity) -> list[Step]:
    """The layers, those first whose errors cost most."""
    return sorted(layers, key=lambda step: -sensitivity.of_layer(step))


def _tried(calibrated: _Calibrated, plan: _Plan, drop_of: Callable[[onnx.ModelProto], float]) -> _Tried:
    integer = calibrated.written(plan)
    return _Tried(plan, integer, drop_of(integer.model))


def _search(
    calibrated: _Calibrated,
    plan_at: Callable[[ErrorPrice], _Plan],
    sensitivity: Sensitivity,
    first: _Tried,
    drop_of: Callable[[onnx.ModelProto], float],
    limit: float,
    progress: Progress,
) -> _Tried:
    """The model of the lowest price that keeps the limit; where none does, the best of those that were tried."""
    worst = max([*sensitivity.values.values(), *sensitivity.weights.values()])
    found: _Tried | None = None
    best, cheap, dear = first, -1, _PRICES if worst else 0
    with progress.task("weighing errors against time", dear.bit_length()) as task:
        while dear - cheap > 1:
            middle = (cheap + dear) // 2
            plan = plan_at(ErrorPrice(sensitivity, _LOWEST / worst * _FACTOR**middle))
            task.advance()
            if (found is not None and plan == found.plan) or not calibrated.has_layers(plan):
                dear = middle
                continue
            tried = best if plan == best.plan else _tried(calibrated, plan, drop_of)
            if tried.drop <= limit:
                found, dear = tried, middle
                continue
            best, cheap = min(best, tried, key=lambda each: each.drop), middle
    return found or best
