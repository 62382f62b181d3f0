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
            of the net; `alone_db`, the ratio of the outputs where this layer alone is integer, where it was measured.
        of: whose layers they are.

    Returns:
        No part where there is no layer.
    """
    if not layers:
        return []
    ratios = [(layer.text("name"), ratio) for layer in layers if (ratio := layer.number("snr_db")) is not None]
    # what a layer costs alone is what layers are kept in float by
    worst = "alone_db" if any("alone_db" in layer for layer in layers) else "snr_db"
    ordered = sorted(enumerate(layers), key=lambda pair: _ratio(pair[1], worst))
    spans = [
        (layer.text("name"), low, high, layer.number("clipped"))
        for _, layer in ordered
        if (low := layer.number("minimum")) is not None and (high := layer.number("maximum")) is not None
    ]
    ratios_of = {"snr_db": "Signal to noise (dB)"}
    if worst == "alone_db":
        ratios_of["alone_db"] = "Of the outputs, this layer alone (dB)"
    rows = [
        (
            code(layer.text("name", "-")),
            amount(position + 1),
            Cell(layer.text("op_type", "-")),
            *(fixed(layer.number(key), 1) for key in ratios_of),
            *(fixed(layer.number(key), 2) for key in ("minimum", "maximum")),
            rate(layer.number("clipped"), 3),
        )
        for position, layer in ordered
    ]
    columns = ("Layer", "Position", "Operator", *ratios_of.values(), "Minimum", "Maximum", "Clipped")
    table = Table(f"Layers of {of}, the worst first", columns, rows)
    return [*(plot for plot in (along_depth(ratios), ranges(spans)) if plot is not None), table]


def _ratio(layer: Values, key: str) -> float:
    """What layers are sorted by; those without a ratio come last."""
    ratio = layer.number(key)
    return float("inf") if ratio is None else ratio
