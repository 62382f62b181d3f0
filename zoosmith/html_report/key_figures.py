"""The few figures at the head of a page: of a build, of a zoo, and of each command."""

from collections.abc import Callable, Mapping, Sequence

from zoosmith.html_report.figures import number, plain, share, size
from zoosmith.html_report.page import KeyFigure, State
from zoosmith.html_report.row_errors import errors_of
from zoosmith.html_report.values import Values


def of_build(report: Values) -> list[KeyFigure]:
    """Of one model's build: checks, rows, opsets, errors, sizes and accuracy.

    Raises:
        ReportError: a value is of a wrong type.
    """
    rows = report.objects("rows")
    opsets = [opset for row in rows if (opset := row.count("opset")) is not None]
    sizes = [stated for row in rows if (model := row.object("model")) and (stated := model.number("size")) is not None]
    found = [*_checks(rows), _of("Rows with a file", sum("model" in row for row in rows), len(rows))]
    if opsets:
        found.append(KeyFigure(_span([str(opset) for opset in (min(opsets), max(opsets))]), "Opsets"))
    exact, integer = errors_of(rows)
    for measured, name in (
        (exact, "Largest error in standard deviations"),
        (integer, "Rows of fewer bits: largest 1 - cosine"),
    ):
        if measured:
            worst = max(measured, key=lambda each: each.figure)
            limit = "" if worst.limit is None else f"; {number(worst.limit)} allowed"
            found.append(KeyFigure(number(worst.figure), f"{name}{limit}"))
    if sizes:
        found.append(KeyFigure(_span([size(min(sizes)), size(max(sizes))]), "Size of a model"))
    accuracy = report.object("accuracy")
    rates = [] if accuracy is None else [each.number("percent") for each in accuracy.named("top1").values()]
    known = [rate / 100 for rate in rates if rate is not None]
    if known:
        found.append(KeyFigure(_span([share(min(known)), share(max(known))]), "Top-1"))
    return found


def of_zoo(models: Sequence[Values]) -> list[KeyFigure]:
    """Of a zoo's build: models, rows, checks and the sizes of all models together.

    Raises:
        ReportError: a value is of a wrong type.
    """
    reports = [report for model in models if (report := model.object("report")) is not None]
    rows = [row for report in reports for row in report.objects("rows")]
    sizes = [model.number("size") or 0 for row in rows if (model := row.object("model")) is not None]
    passed = sum(bool(report.flag("passed")) for report in reports)
    return [
        _of("Models passed", passed, len(models)),
        *_checks(rows),
        _of("Rows with a file", len(sizes), len(rows)),
        KeyFigure(size(sum(sizes)), "All models together"),
    ]


def of_command(command: str, result: Values) -> list[KeyFigure]:
    """Of one command; none for a command that has no page.

    Raises:
        ReportError: a value is of a wrong type.
    """
    find = _COMMANDS.get(command)
    return [] if find is None else [figure for figure in find(result) if figure.value != "-"]


def _opset(result: Values) -> list[KeyFigure]:
    if "files" in result:
        files = result.objects("files")
        return [
            KeyFigure(number(len(files)), "Models"),
            KeyFigure(plain(_lowest(files)), "Lowest opset that all reach"),
        ]
    return [
        KeyFigure(f"{plain(result.raw('from'))} to {plain(result.raw('to'))}", "Opset"),
        KeyFigure(number(result.number("ir")), "IR version"),
        KeyFigure(number(result.number("nodes")), "Nodes"),
        KeyFigure(number(len(result.objects("caveats"))), "Caveats"),
        *_proof(result),
    ]


def _lowest(files: Sequence[Values]) -> int | None:
    return max((lowest for file in files if (lowest := file.count("lowest")) is not None), default=None)


def _quantize(result: Values) -> list[KeyFigure]:
    before, after = result.number("bytes_before"), result.number("bytes")
    times = "-" if not before or not after else f"{before / after:.2f} times"
    return [
        KeyFigure(size(after), f"Size, of {size(before)}"),
        KeyFigure(times, "Smaller"),
        KeyFigure(number(result.number("cosine")), "Smallest cosine of an output"),
        KeyFigure(number(result.number("error")), "Mean error in standard deviations"),
        KeyFigure(number(result.number("float_conversions")), "Conversions between float and integers"),
        KeyFigure(share(result.number("relative_top1_drop")), "Relative drop of top-1"),
        *_proof(result),
    ]


def _simplify(result: Values) -> list[KeyFigure]:
    return [
        KeyFigure(number(result.number("nodes")), f"Nodes, of {number(result.number('nodes_before'))}"),
        *_proof(result),
    ]


def _evaluate(result: Values) -> list[KeyFigure]:
    models = result.objects("models")
    rates = [each.number("percent") for model in models if (each := model.object("top1")) is not None]
    known = [rate / 100 for rate in rates if rate is not None]
    top1 = _span([share(min(known)), share(max(known))]) if known else "-"
    return [
        KeyFigure(number(result.number("images")), "Images"),
        KeyFigure(number(len(models)), "Models"),
        KeyFigure(top1, "Top-1"),
    ]


def _bench(result: Values) -> list[KeyFigure]:
    models = result.objects("models")
    times = [median for model in models if (median := model.number("median_ms")) is not None]
    fastest = KeyFigure(f"{min(times):.4g} ms" if times else "-", "Fastest median")
    return [KeyFigure(number(len(models)), "Measurements"), fastest]


def _validate(result: Values) -> list[KeyFigure]:
    sets = list(result.named("sets").values())
    errors = [error for each in sets if (error := each.number("max_scaled")) is not None]
    passed = sum(bool(each.flag("passed")) for each in sets)
    largest = KeyFigure(number(max(errors, default=None)), "Largest error in standard deviations")
    return [_of("Data sets passed", passed, len(sets)), largest]


def _audit(result: Values) -> list[KeyFigure]:
    defects = result.number("defects") or 0
    return [
        KeyFigure(number(len(result.objects("files"))), "Files"),
        KeyFigure(number(result.number("checks")), "Checks"),
        KeyFigure(number(defects), "Defects", "bad" if defects else "good"),
        KeyFigure(number(result.number("unchecked")), "Checks not made"),
    ]


_COMMANDS: Mapping[str, Callable[[Values], list[KeyFigure]]] = {
    "opset": _opset,
    "quantize": _quantize,
    "simplify": _simplify,
    "evaluate": _evaluate,
    "bench": _bench,
    "validate": _validate,
    "audit": _audit,
}


def _proof(result: Values) -> list[KeyFigure]:
    proof = result.object("proof")
    if proof is None:
        return [KeyFigure("not verified", "Proof", "warning")]
    state: State = "good" if proof.flag("passed") else "bad"
    error = proof.number("largest_error")
    return [KeyFigure(proof.text("verdict", "-"), f"Proof; largest error {number(error)}", state)]


def _checks(rows: Sequence[Values]) -> list[KeyFigure]:
    passed = [bool(check.flag("passed")) for row in rows for check in row.objects("checks")]
    return [_of("Checks passed", sum(passed), len(passed))]


def _of(name: str, part: int, whole: int) -> KeyFigure:
    return KeyFigure(f"{number(part)} of {number(whole)}", name, "good" if part == whole else "bad")


def _span(ends: Sequence[str]) -> str:
    first, last = ends
    return first if first == last else f"{first} to {last}"
