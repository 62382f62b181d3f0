"""Parts of a page that speak of the layers of an integer model."""

from collections.abc import Sequence

from zoosmith.html_report.cells import amount, code, fixed, rate
from zoosmith.html_report.charts import along_depth, ranges
from zoosmith.html_report.page import Cell, Part, Table
from zoosmith.html_report.values import Values


def layer_parts(layers: Sequence[Values], of: str) -> list[Part]:
    """The plots and the table of layers.

    Args:
        layers: `name`, `op_type`, `snr_db`, `minimum`, `maximum` and `clipped` (a share, 0 to 1) of each, in the order
            of the net.
        of: whose layers they are.

    Returns:
        No part where there is no layer.
    """
    if not layers:
        return []
    ratios = [(layer.text("name"), ratio) for layer in layers if (ratio := layer.number("snr_db")) is not None]
    # layers without a ratio come last
    ordered = sorted(layers, key=_ratio)
    spans = [
        (layer.text("name"), low, high, layer.number("clipped"))
        for layer in ordered
        if (low := layer.number("minimum")) is not None and (high := layer.number("maximum")) is not None
    ]
    rows = [
        (
            code(layer.text("name", "-")),
            amount(position + 1),
            Cell(layer.text("op_type", "-")),
            fixed(layer.number("snr_db"), 1),
            *(fixed(layer.number(key), 2) for key in ("minimum", "maximum")),
            rate(layer.number("clipped"), 3),
        )
        for position, layer in sorted(enumerate(layers), key=lambda pair: _ratio(pair[1]))
    ]
    columns = ("Layer", "Position", "Operator", "Signal to noise (dB)", "Minimum", "Maximum", "Clipped")
    table = Table(f"Layers of {of}, the worst first", columns, rows)
    return [*(plot for plot in (along_depth(ratios), ranges(spans)) if plot is not None), table]


def _ratio(layer: Values) -> float:
    ratio = layer.number("snr_db")
    return float("inf") if ratio is None else ratio
