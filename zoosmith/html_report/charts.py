"""The plots of reports: each a function of plain values that gives a `Plot`, or None where there is nothing to draw."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from statistics import median
from typing import TYPE_CHECKING, Any

from zoosmith.escaping import printable
from zoosmith.html_report.figures import number, share, shortened, size
from zoosmith.html_report.page import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# seen on white as on black
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#2f7fc1", "#d9731a", "#2a9d5f", "#d6453d", "#9467bd", "#8a8a8a"
# lines of a plot; what is more is in the table below it
_MOST = 25
_MOST_OF_MATRIX = 16


@dataclass(frozen=True)
class Measured:
    """A figure held against a limit; both are positive or 0, and less is better."""

    name: str
    figure: float
    limit: float | None


@dataclass(frozen=True)
class Interval:
    """A share with its interval, all 0 to 1."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Traded:
    """A model's size in bytes, its latency in milliseconds and its top-1, 0 to 1, as far as they are known."""

    name: str
    bytes: float | None
    latency: float | None
    top1: float | None


def against_limits(
    title: str, unit: str, measured: Sequence[Measured], note: str = "", kind: str = "row"
) -> Plot | None:
    """Every figure as a dot and its limit as a line, by name, on a logarithmic axis.

    Args:
        title: of the plot.
        unit: of the figures.
        measured: what to draw; the worst names where there are many.
        note: ends the plot's text.
        kind: what has the names.
    """
    if not measured:
        return None
    names = list(dict.fromkeys(each.name for each in measured))
    worst = {name: max(each.figure for each in measured if each.name == name) for name in names}
    shown = names if len(names) <= _MOST else sorted(names, key=lambda name: -worst[name])[:_MOST]
    positive = [1e-9] if not any(each.figure or each.limit for each in measured) else []
    positive += [each.figure for each in measured if each.figure > 0]
    positive += [each.limit for each in measured if each.limit]
    least = min(positive, default=1e-9) / 10
    over = sum(each.limit is not None and each.figure > each.limit for each in measured)
    largest = max(measured, key=lambda each: each.figure)
    zeros = "" if all(each.figure for each in measured) else " Figures of 0 stand as open circles at the left edge."
    rest = f" The {len(shown)} largest of {len(names)} are drawn." if len(shown) < len(names) else ""
    text = (
        f"{title}: {_counted(names, kind)}, {_counted(measured, 'figure')}; "
        f"the largest is {number(largest.figure)} ({largest.name})"
        f"{'' if largest.limit is None else f' of {number(largest.limit)} allowed'}; "
        f"{over or 'none'} over the limit drawn.{zeros}{note}{rest}"
    )

    def draw(figure: "Figure") -> None:
        from matplotlib.ticker import NullFormatter

        axes = figure.add_subplot()
        axes.set_xscale("log")
        for each in measured:
            if each.name not in shown:
                continue
            y = shown.index(each.name)
            if each.limit:
                axes.plot([each.limit] * 2, [y - 0.32, y + 0.32], color=GREY, linewidth=2)
            failed = each.limit is not None and each.figure > each.limit
            color = RED if failed else BLUE
            face = color if each.figure > 0 else "none"
            marker = "X" if failed else "o"
            axes.plot(max(each.figure, least), y, marker, markersize=5, color=color, markerfacecolor=face)
        _names_down(axes, shown)
        # the usual formatter writes powers as formulas
        axes.xaxis.set_major_formatter(lambda x, _: _power_of_ten(x))
        axes.xaxis.set_minor_formatter(NullFormatter())
        # whole decades, so that there are at least two numbers
        drawn = [*positive, *(least for each in measured if each.figure <= 0)]
        axes.set_xlim(0.7 * 10 ** floor(log10(min(drawn))), 1.4 * 10 ** ceil(log10(max(drawn))))
        axes.set_xlabel(unit)
        axes.plot([], [], "o", markersize=5, color=BLUE, label="measured")
        axes.plot([], [], color=GREY, linewidth=2, label="limit")
        _legend(axes, 2)

    return Plot(title, text, draw, _height(shown))


def shares(title: str, intervals: Mapping[str, Sequence[Interval]]) -> Plot | None:
    """Shares with their intervals by name; one colour for each key of `intervals`."""
    names = list(dict.fromkeys(each.name for series in intervals.values() for each in series))[:_MOST]
    if not names:
        return None
    spoken = "; ".join(_rates_in_words(series, listed) for series, listed in intervals.items() if listed)

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for index, (series, listed) in enumerate(intervals.items()):
            drawn = [each for each in listed if each.name in names]
            shift = 0.16 * (2 * index - len(intervals) + 1)
            axes.errorbar(
                [100 * each.value for each in drawn],
                [names.index(each.name) + shift for each in drawn],
                xerr=[
                    [100 * max(0.0, each.value - each.low) for each in drawn],
                    [100 * max(0.0, each.high - each.value) for each in drawn],
                ],
                fmt="os"[index % 2],
                color=(BLUE, ORANGE)[index % 2],
                markersize=5,
                capsize=3,
                label=series,
            )
        _names_down(axes, names)
        axes.set_xlabel("per cent, with 95 % interval")
        _legend(axes, len(intervals))

    return Plot(title, f"{title}: {spoken}.", draw, _height(names, 0.36))


def trade(models: Sequence[Traded]) -> Plot | None:
    """Size against latency against accuracy, as far as two of them are known of a model; equal models share a mark."""
    timed = [each for each in models if each.latency is not None and each.bytes is not None]
    rated = [each for each in models if each.top1 is not None and each.bytes is not None]
    drawn = timed or rated
    if not drawn:
        return None
    upright = "latency (ms)" if timed else "top-1 (%)"
    title = "Size against latency" + (" and accuracy" if timed and rated else "") if timed else "Size against accuracy"
    groups: dict[tuple[str, str, str], list[Traded]] = {}
    for each in drawn:
        groups.setdefault((size(each.bytes), number(each.latency, 2), share(each.top1)), []).append(each)
    marks = {_together([each.name for each in group]): group[0] for group in groups.values()}
    spoken = "; ".join(
        f"{name} {size(each.bytes)}"
        + ("" if each.latency is None else f", {number(each.latency)} ms")
        + ("" if each.top1 is None else f", top-1 {share(each.top1)}")
        for name, each in marks.items()
    )
    spoken += ". Larger marks have a higher top-1" if timed and len({each.top1 for each in drawn}) > 1 else ""
    named = len(marks) <= _MOST_OF_MATRIX

    def draw(figure: "Figure") -> None:
        from matplotlib.collections import PathCollection

        axes = figure.add_subplot()
        rates = [each.top1 for each in drawn if each.top1 is not None]
        for index, (name, each) in enumerate(marks.items()):
            x = (each.bytes or 0) / 1e6
            y = (each.latency if timed else 100 * (each.top1 or 0)) or 0.0
            area = 60.0
            if timed and each.top1 is not None and max(rates) > min(rates):
                area = 40 + 160 * (each.top1 - min(rates)) / (max(rates) - min(rates))
            label = _label(name, 34) + ("" if each.top1 is None else f", {share(each.top1)}")
            marker, color = _MARKERS[index % len(_MARKERS)], _COLORS[index % len(_COLORS)]
            axes.scatter([x], [y], s=area, alpha=0.85, label=label, marker=marker, color=color)
        axes.set_xlabel("size (MB)")
        axes.set_ylabel(upright)
        axes.margins(0.18)
        axes.set_xlim(left=0)
        if timed:
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        if named:
            legend = figure.legend(loc="outside upper left", ncols=1, frameon=False, borderaxespad=0.2)
            for handle in legend.legend_handles:
                if isinstance(handle, PathCollection):
                    handle.set_sizes([40.0])

    return Plot(title, f"{title}: {spoken}.", draw, 2.6 + (0.19 * len(marks) if named else 0))


def _together(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _rates_in_words(series: str, listed: Sequence[Interval]) -> str:
    """Every share with its interval, or of many the least and the greatest; the table has all."""
    if len({(each.value, each.low, each.high) for each in listed}) == 1 and len(listed) > 1:
        return f"{series} of all {len(listed)} models {_interval(listed[0])}"
    if len(listed) <= 3:
        return "; ".join(f"{each.name} {series} {_interval(each)}" for each in listed)
    ends = min(listed, key=lambda each: each.value), max(listed, key=lambda each: each.value)
    return f"{series} from " + " to ".join(f"{_interval(each)} of {each.name}" for each in ends)


def _interval(each: Interval) -> str:
    return f"{share(each.value)} ({share(each.low)} to {share(each.high)})"


_MARKERS = "osD^vPX*"
_COLORS = (BLUE, ORANGE, GREEN, PURPLE, RED)


def latencies(times: Mapping[str, Sequence[float]]) -> Plot | None:
    """The times of all rounds as boxes from the first to the third quartile, with every round as a dot."""
    times = {name: each for name, each in list(times.items())[:_MOST] if each}
    if not times:
        return None
    spoken = "; ".join(
        f"{name} median {number(median(each))} ms, {number(min(each))} to {number(max(each))} ms in {len(each)} rounds"
        for name, each in times.items()
    )

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        axes.boxplot(
            [list(each) for each in times.values()],
            positions=range(len(times)),
            orientation="horizontal",
            widths=0.5,
            showfliers=False,
            boxprops={"color": BLUE},
            medianprops={"color": ORANGE, "linewidth": 2},
            whiskerprops={"color": BLUE},
            capprops={"color": BLUE},
        )
        for y, each in enumerate(times.values()):
            drawn = list(each)[:: max(1, len(each) // 200)]
            # neighbours apart, the same way in every drawing
            axes.scatter(drawn, [y - 0.36 + 0.05 * (k % 3) for k in range(len(drawn))], s=6, color=GREY, alpha=0.7)
        _names_down(axes, list(times))
        axes.set_xlabel("one run (ms)")
        axes.set_xlim(left=0)

    return Plot("Latency of every round", f"Latency: {spoken}.", draw, _height(times, 0.5))


def agreement(pairs: Mapping[tuple[str, str], float]) -> Plot | None:
    """How often two models have the same best answer, as a matrix; shares 0 to 1."""
    names = list(dict.fromkeys(name for pair in pairs for name in pair))[:_MOST_OF_MATRIX]
    if len(names) < 2:
        return None
    least = sorted(pairs.items(), key=lambda pair: pair[1])[:4]
    spoken = "; ".join(f"{first} and {second} {share(value)}" for (first, second), value in least)
    spoken += "" if len(least) == len(pairs) else f"; the other {len(pairs) - len(least)} pairs agree more often"

    def draw(figure: "Figure") -> None:
        from matplotlib.patches import Rectangle

        axes = figure.add_subplot()
        for row, first in enumerate(names):
            for column, second in enumerate(names):
                value = 1.0 if row == column else pairs.get((first, second), pairs.get((second, first)))
                if value is None:
                    continue
                axes.add_patch(
                    Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=BLUE, alpha=0.1 + 0.5 * value**4, linewidth=0)
                )
                axes.text(column, row, f"{100 * value:.1f}", ha="center", va="center", fontsize=8)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_xticks(range(len(names)), [_label(name, 22) for name in names], rotation=30, ha="right")
        _names_down(axes, names)
        axes.tick_params(length=0)

    return Plot("Same best answer (%)", f"Same best answer: {spoken}.", draw, 1.6 + 0.32 * len(names))


def along_depth(ratios: Sequence[tuple[str, float]]) -> Plot | None:
    """The signal-to-noise ratio of each layer, in the order of the net; the worst are marked."""
    if not ratios:
        return None
    worst = sorted(range(len(ratios)), key=lambda index: ratios[index][1])[:5]
    spoken = ", ".join(f"{ratios[index][0]} {ratios[index][1]:.1f} dB" for index in worst)

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        axes.plot(range(len(ratios)), [ratio for _, ratio in ratios], color=BLUE, linewidth=1.2, marker=".")
        for rank, index in enumerate(worst):
            name, ratio = ratios[index]
            axes.plot(index, ratio, "v", color=ORANGE, markersize=6, label=_label(f"{rank + 1}. {name}"))
        axes.set_xlabel("layer, in the order of the net")
        axes.set_ylabel("signal to noise (dB)")
        axes.grid(alpha=0.25)
        _legend(axes, 1)

    text = f"Signal-to-noise ratio of {len(ratios)} layers along the net. The worst: {spoken}."
    return Plot("Signal-to-noise ratio along the net", text, draw, 3.6)


def ranges(layers: Sequence[tuple[str, float, float, float | None]]) -> Plot | None:
    """The range of each layer from minimum to maximum with its clipped share, in the order that they are given."""
    if not layers:
        return None
    shown = layers[:15]
    clipped = [layer for layer in layers if layer[3]]
    most = max(clipped, key=lambda layer: layer[3] or 0.0, default=None)
    lost = "none" if most is None else f"{len(clipped)} layers, most of all {most[0]} with {share(most[3])}"
    text = f"Ranges of {len(shown)} of {len(layers)} layers, the worst layer first; clipped: {lost}."

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        for y, (_, low, high, lost) in enumerate(shown):
            axes.plot([low, high], [y, y], color=ORANGE if lost else BLUE, linewidth=4, solid_capstyle="butt")
            if lost:
                axes.annotate(
                    f"{100 * lost:.2g} % clipped",
                    (high, y),
                    (4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=7,
                )
        axes.axvline(0, color=GREY, linewidth=0.8)
        _names_down(axes, [name for name, *_ in shown])
        axes.set_xlabel("range of the activations")
        axes.margins(x=0.15)

    return Plot("Ranges and clipping, worst layers first", text, draw, _height(shown, 0.22))


def stacked(title: str, unit: str, counts: Mapping[str, Mapping[str, int]]) -> Plot | None:
    """Counts by name and kind as stacked bars, the largest first."""
    kinds = list(dict.fromkeys(kind for each in counts.values() for kind in each))
    ordered = sorted(counts, key=lambda name: (-sum(counts[name].values()), name))
    if not ordered:
        return None
    shown = ordered[:_MOST]
    totals = {kind: sum(each.get(kind, 0) for each in counts.values()) for kind in kinds}
    rest = "" if len(shown) == len(ordered) else f" The {len(shown)} most frequent of {len(ordered)} are drawn."
    text = f"{title}: " + ", ".join(f"{number(count)} {kind}" for kind, count in totals.items()) + f".{rest}"

    def draw(figure: "Figure") -> None:
        axes = figure.add_subplot()
        left = [0] * len(shown)
        for index, kind in enumerate(kinds):
            widths = [counts[name].get(kind, 0) for name in shown]
            axes.barh(
                range(len(shown)),
                widths,
                left=left,
                height=0.7,
                color=_COLORS[index % len(_COLORS)],
                label=_label(kind),
            )
            left = [start + width for start, width in zip(left, widths, strict=True)]
        _names_down(axes, shown)
        axes.set_xlabel(unit)
        _legend(axes, min(3, len(kinds)))

    return Plot(title, text, draw, _height(shown, 0.24))


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _power_of_ten(value: float) -> str:
    """A decade of a logarithmic axis: 0.001 to 1000 as they are, others as powers."""
    exponent = round(log10(value))
    return f"{value:g}" if abs(exponent) <= 3 else f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def _counted(things: Collection[Any], name: str) -> str:
    return f"{number(len(things))} {name}{'' if len(things) == 1 else 's'}"


def _label(text: str, most: int = 30) -> str:
    return shortened(printable(text), most)


def _names_down(axes: "Axes", names: Sequence[str]) -> None:
    """Names along the y axis, the first on top."""
    axes.set_yticks(range(len(names)), [_label(name, 24) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.25)


def _legend(axes: "Axes", columns: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=columns, frameon=False, borderaxespad=0.2)


def _height(names: "Sequence[object] | Mapping[str, object]", line: float = 0.28) -> float:
    return 1.2 + line * max(2, len(names))
