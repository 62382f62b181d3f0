"""Which nodes become integer: the choice with the least time by the table of costs, conversions included."""

from collections.abc import Collection, Hashable, Mapping

import networkx
import numpy as np
import onnx
import onnx_ir as ir

from zoosmith.optimize.values import constant, name_of, read_values
from zoosmith.quantize.calibration import Samples, Watched
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.plan.costs import conversion_cost, conversion_excess, step_cost
from zoosmith.quantize.plan.error_price import ErrorPrice
from zoosmith.quantize.plan.partition import Step, units
from zoosmith.quantize.target import INTEGER, Target

Shapes = Mapping[str, tuple[int, ...]]

# microseconds that each layer in float costs where their number counts, not their time
_ONE_LAYER = 100.0

NO_PRICE = ErrorPrice()

# the two ends of a cut: what stays connected to the first is integer
_INTEGER, _FLOAT = "integer", "float"


def tensor_shapes(model: ir.Model, exact: onnx.ModelProto, samples: Samples) -> Shapes:
    """The shapes of the float32 values that may become integer, by name, for the first sample.

    Values that are not finite, as masks are, stay in float, and so do those without an element, which have no range.
    Those of layers that are not finite do not, and calibration refuses them.

    Args:
        model: as `fold_to_ir` gives it.
        exact: the same one, to be run.
        samples: its inputs by name.

    Raises:
        QuantizeError: there is no sample.
        ValidationError: the sample does not fit the model.
    """
    if not samples:
        raise QuantizeError("no calibration samples; expected at least one")
    steps = [step for step in units(model) if step.form]
    values = [value for step in steps for value in (*step.sources, step.output)]
    layers = {name_of(value) for step in steps if step.form and step.form.starts for value in step.sources}
    names = dict.fromkeys(name_of(value) for value in values if value.dtype == ir.DataType.FLOAT)
    [found] = Watched(exact, names).run(samples[:1])
    return {
        name: value.shape
        for name, value in found.items()
        if value.size and (name in layers or np.isfinite(value).all())
    }


def integer_nodes(
    model: ir.Model,
    shapes: Shapes,
    *,
    keep_float: Collection[str] = (),
    target: Target = INTEGER,
    errors: ErrorPrice = NO_PRICE,
) -> set[str]:
    """Choose the nodes that become integer, so that the sum of their costs and those of the conversions is the least.

    The choice is a minimum cut: each node stands on the integer or on the float side and costs what it takes there;
    a value that is made on one side and read on the other one costs a conversion, once. So islands of integers appear
    where they pay as a whole, and none where only a part of them would. Errors have a price as time has: a value in
    uint8 costs it once, whoever made it and however many read it.

    Args:
        model: as `fold_to_ir` gives it.
        shapes: of its float32 tensors, by name.
        keep_float: names of steps that stay in float.
        target: what is written. Of one that is whole, operators with weights become integer whether that pays or not:
            all, or with a price of errors as many as are worth theirs.
        errors: their price; without it, none.

    Returns:
        Names of steps, as `partition` takes them.
    """
    steps = units(model)
    graph: networkx.DiGraph[Hashable] = networkx.DiGraph()
    graph.add_nodes_from((_INTEGER, _FLOAT))
    for step in steps:
        # an edge without a capacity is never cut
        if step.form is None or step.name in keep_float or not _has_shapes(step, shapes):
            graph.add_edge(step, _FLOAT)
        elif target.whole and step.form.starts and not errors.microseconds:
            graph.add_edge(_INTEGER, step)
        else:
            whole = target.whole and step.form.starts
            real, integer = (_ONE_LAYER, 0.0) if whole else step_cost(step, shapes, thresholds=target.thresholds)
            graph.add_edge(_INTEGER, step, capacity=_nanoseconds(real + errors.of_stored(step)))
            graph.add_edge(step, _FLOAT, capacity=_nanoseconds(integer + errors.of_weights(step)))
    _add_conversions(graph, model, steps, shapes, errors)
    _, (integer_side, _) = networkx.minimum_cut(graph, _INTEGER, _FLOAT)
    return {step.name for step in steps if step in integer_side}


def _has_shapes(step: Step, shapes: Shapes) -> bool:
    return all(name_of(value) in shapes for value in (*step.sources, step.output))


def _add_conversions(
    graph: "networkx.DiGraph[Hashable]", model: ir.Model, steps: list[Step], shapes: Shapes, errors: ErrorPrice
) -> None:
    """Add what it costs to bring values from the side that makes them to the one that reads them, and their errors."""
    makers: dict[ir.Value, Step | str] = {
        step.output: _FLOAT if step.form and step.form.gives_float else step for step in steps
    }
    readers: dict[ir.Value, list[Step | str]] = {}
    for step in steps:
        sources = step.sources if step.form else []
        for value in dict.fromkeys(read_values(step.node)):
            readers.setdefault(value, []).append(step if value in sources else _FLOAT)
    for value in model.graph.outputs:
        readers.setdefault(value, []).append(_FLOAT)
    for step in steps:
        if step.form is not None and _has_shapes(step, shapes):
            maker = makers.get(step.sources[0], _FLOAT)
            in_float, in_integers = map(_nanoseconds, conversion_excess(step, shapes))
            _add_cost(graph, step, maker, in_integers)
            _add_cost(graph, maker, step, in_float)
    for value, reading in readers.items():
        if name_of(value) not in shapes or constant(value) is not None:
            continue
        maker = makers.get(value, _FLOAT)
        to_integer, to_float = map(_nanoseconds, conversion_cost(shapes[name_of(value)]))
        leaving, entering = (value, _FLOAT), (value, _INTEGER)
        if maker is not _FLOAT:
            graph.add_edge(maker, leaving, capacity=to_float)
            graph.add_edges_from((leaving, reader) for reader in reading)
        # ONNX Runtime moves a QuantizeLinear behind a MaxPool before it, which makes the MaxPool one of integers
        pooled = isinstance(maker, Step) and maker.node.op_type == "MaxPool" and not _stays_float(graph, maker)
        graph.add_edge(entering, maker, **{} if pooled else {"capacity": to_integer})
        graph.add_edges_from((reader, entering) for reader in reading if reader is not _FLOAT)
        known = name_of(value) in errors.sensitivity.values
        if not known and isinstance(maker, Step) and maker.form is not None and maker.form.moves:
            _add_cost(graph, entering, maker, _nanoseconds(errors.of_moved(maker)))
        elif errors.microseconds:
            encoded = (value, "encoded")
            graph.add_edge(encoded, _FLOAT, capacity=_nanoseconds(errors.of_value(name_of(value))))
            graph.add_edges_from((side, encoded) for side in (maker, *reading) if side is not _FLOAT)


def _stays_float(graph: "networkx.DiGraph[Hashable]", step: Step) -> bool:
    """Whether a step has no integer form, or reads what uint8 does not hold, as -inf in the padding of a MaxPool."""
    edge = graph.get_edge_data(step, _FLOAT)
    return edge is not None and "capacity" not in edge


def _add_cost(graph: "networkx.DiGraph[Hashable]", integer: Hashable, other: Hashable, cost: int) -> None:
    """Add a cost of the first being on the integer side and the other one on the float side."""
    if cost and integer is not _FLOAT:
        edge = graph.get_edge_data(integer, other)
        # what cannot be cut stays so
        if edge is None or "capacity" in edge:
            graph.add_edge(integer, other, capacity=cost + (edge or {}).get("capacity", 0))


def _nanoseconds(microseconds: float) -> int:
    # whole numbers are added exactly, so that every machine makes the same choice
    return round(1000 * microseconds)
