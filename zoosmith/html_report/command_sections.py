"""The sections of a page that speak of one command: what its `--json` holds. One function for each command."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from zoosmith.html_report.accuracy_parts import accuracy_parts, agreement_parts, picture_parts
from zoosmith.html_report.cells import amount, code
from zoosmith.html_report.charts import Measured, Traded, against_limits, latencies, stacked, trade
from zoosmith.html_report.figures import last_parts, number, opened, plain, share, size
from zoosmith.html_report.layer_parts import layer_parts
from zoosmith.html_report.page import Cell, Facts, Part, Section, Table
from zoosmith.html_report.values import Values

Draw = Callable[[Values], list[Part]]


def command_sections(command: str, result: Values) -> list[Section]:
    """The sections of a command's result; none for a command that has no page.

    Args:
        command: its name, as in the JSON output.
        result: as in the JSON output.

    Raises:
        ReportError: a value is of a wrong type.
    """
    draw = _COMMANDS.get(command)
    return [] if draw is None else [Section(f"zoosmith {command}", draw(result))]


def verdict(command: str, result: Values) -> bool | None:
    """Whether the checks of a command passed; None where it makes none."""
    if command in {"evaluate", "bench"} or command not in _COMMANDS:
        return None
    if "passed" in result:
        return result.flag("passed")
    if "files" in result:
        return None
    proof = result.object("proof")
    written = "output" in result
    return written if proof is None else written and bool(proof.flag("passed"))


def _opset(result: Values) -> list[Part]:
    if "files" in result:
        return [_reach(result.objects("files"))]
    facts = _facts(result, input="Model", output="Written to", bytes="Bytes", nodes="Nodes", ir="IR version")
    facts.insert(1, ("Opset", f"{plain(result.raw('from'))} to {plain(result.raw('to'))}"))
    if "for" in result:
        facts.insert(2, ("For the runtime", result.text("for")))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    rows = []
    for each in result.objects("operators"):
        operator, how, before = each.text("operator", "-"), each.text("how", "-"), each.count("nodes_before") or 0
        counts[operator][how] += before
        versions = [amount(each.number(key)) for key in ("from", "to")]
        nodes = [amount(each.number(f"nodes_{key}")) for key in ("before", "after")]
        rows.append((Cell(operator), *versions, Cell(how), *nodes))
    plot = stacked("What became of each operator", "nodes of the original", counts)
    parts: list[Part] = [] if plot is None else [plot]
    parts.append(Facts("Conversion", facts))
    if rows:
        columns = ("Operator", "Version before", "Version after", "How", "Nodes before", "Nodes after")
        parts.append(Table("What became of each operator", columns, rows))
    parts += _listed("Caveats", result.objects("caveats"), ("node", "operator", "kind", "reason"))
    return [*parts, *_proof(result)]


def _reach(files: Sequence[Values]) -> Table:
    rows = []
    for file in files:
        blockers = Counter(f"{each.text('operator')}: {each.text('reason')}" for each in file.objects("blockers"))
        reasons = tuple((f"{count} nodes", reason) for reason, count in blockers.items())
        rows.append(
            (
                code(file.text("file", "-")),
                amount(file.number("opset")),
                amount(file.number("lowest")),
                Cell(f"{len(blockers)} reasons" if reasons else "-", len(blockers), details=reasons),
                Cell(file.text("error", "-"), state="bad" if "error" in file else ""),
            )
        )
    return Table("How far down each model goes", ("File", "Opset", "Lowest", "Blocked by", "Error"), rows)


# of what `quantize` says, what a page lists where it is said
_QUANTIZED = {
    "to": "Type",
    "convolutions": "Integer convolutions",
    "products": "Integer products",
    "encoded": "Layers between QuantizeLinear and DequantizeLinear",
    "float_conversions": "Conversions between float and integers",
    "cosine": "Smallest cosine of an output",
    "error": "Mean error (standard deviations of the output)",
    "compared_on": "Outputs compared on",
    "samples": "Calibration samples",
    "calibrated_on": "Calibrated on",
    "unreadable": "Unreadable images",
    "sample_distance": "Distance of the samples from the training data",
    "kept_in_float": "Layers kept in float",
    "slow": "Speed",
}


def _quantize(result: Values) -> list[Part]:
    facts = _facts(
        result,
        model="Model",
        output="Written to",
        **{key: name for key, name in _QUANTIZED.items() if key in result},
    )
    facts.insert(2, ("Size", f"{size(result.number('bytes'))} of {size(result.number('bytes_before'))}"))
    if "relative_top1_drop" in result:
        facts.append(("Relative drop of top-1", share(result.number("relative_top1_drop"))))
    return [*layer_parts(result.objects("layers"), result.text("model", "-")), Facts("Model", facts), *_proof(result)]


def _simplify(result: Values) -> list[Part]:
    facts = _facts(result, model="Model", output="Written to", nodes_before="Nodes before", nodes="Nodes")
    return [Facts("Model", facts), *_proof(result)]


def _evaluate(result: Values) -> list[Part]:
    models = result.objects("models")
    of = f"{result.text('data', 'labelled images')}, {number(result.count('images'))} images"
    called = last_parts([model.text("model", "-") for model in models])
    rates = {
        name: {called[model.text("model", "-")]: found for model in models if (found := model.object(key)) is not None}
        for name, key in (("top-1", "top1"), ("top-5", "top5"))
    }
    facts = _facts(
        result, data="Images", preprocess="Preprocessing", disturb="Disturbed", images="Read", broken="Unreadable"
    )
    return [
        *accuracy_parts(rates, of),
        *agreement_parts(result.objects("agreements"), called),
        *picture_parts(result.objects("pictures"), called),
        Facts("Settings", facts),
    ]


def _bench(result: Values) -> list[Part]:
    models = result.objects("models")
    several = len({model.count("threads") for model in models}) > 1
    threads = [f", {number(model.count('threads'))} threads" if several else "" for model in models]
    called = last_parts(list(dict.fromkeys(model.text("model", "-") for model in models)))
    names = [called[model.text("model", "-")] + words for model, words in zip(models, threads, strict=True)]
    timed = {name: times for name, model in zip(names, models, strict=True) if (times := model.numbers("times_ms"))}
    traded = [
        Traded(name, model.number("bytes"), model.number("median_ms"), None)
        for name, model in zip(names, models, strict=True)
    ]
    keys = ("threads", "median_ms", "fastest_ms", "speed", "bytes", "peak_memory_bytes")
    rows = [(Cell(model.text("model", "-")), *(amount(model.number(key), 4) for key in keys)) for model in models]
    columns = ("Model", "Threads", "Median (ms)", "Fastest (ms)", "Speed", "Bytes", "Peak memory (bytes)")
    plots = [plot for plot in (latencies(timed), trade(traded)) if plot is not None]
    return [*plots, Table("Latency, size and memory; speed is against the first model", columns, rows)]


def _validate(result: Values) -> list[Part]:
    sets = result.named("sets")
    measured = [
        Measured(name, error, result.number("atol"))
        for name, found in sets.items()
        if (error := found.number("max_scaled")) is not None
    ]
    unit, note = "error (standard deviations)", " The limit is atol; rtol comes on top."
    plot = against_limits("Error of each data set", unit, measured, note)
    rows = []
    for name, found in sets.items():
        passed = bool(found.flag("passed"))
        details = tuple(
            pair
            for output in found.objects("outputs")
            for pair in opened(output.text("name", "output"), {key: output.raw(key) for key in output.keys})
        )
        figures = [amount(found.number(key)) for key in ("max_abs", "max_rel", "max_scaled")]
        state = Cell("passed" if passed else "failed", float(passed), "good" if passed else "bad", details)
        rows.append((Cell(name), state, *figures, Cell(found.text("reason", "-"))))
    columns = ("Data set", "Verdict", "Largest error", "Relative", "In standard deviations", "Reason")
    facts = _facts(result, bundle="Archive", rtol="rtol", atol="atol (standard deviations of the output)")
    return [*([] if plot is None else [plot]), Table("Data sets", columns, rows), Facts("Archive", facts)]


def _audit(result: Values) -> list[Part]:
    rows = []
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for file in result.objects("files"):
        for each in file.objects("checks"):
            state = each.text("verdict", "-")
            counts[each.text("check", "-")][state] += 1
            words = "; ".join([*each.texts("defects"), each.text("reason")]).strip("; ")
            mark = {"ok": Cell(state, 2, "good"), "defect": Cell(state, 0, "bad")}.get(state, Cell(state, 1, "warning"))
            rows.append((code(file.text("file", "-")), Cell(each.text("check", "-")), mark, Cell(words or "-")))
    facts = _facts(result, checks="Checks", defects="Defects", unchecked="Not made")
    plot = stacked("Checks and what they found", "files", counts)
    rows.sort(key=lambda row: row[2].order or 0)  # defects first
    table = Table("Every check of every file", ("File", "Check", "Verdict", "What was found"), rows)
    hashes = [
        (
            code(file.text("file", "-")),
            Cell(file.text("kind", "-")),
            code(file.text("sha256", "-")),
        )
        for file in result.objects("files")
    ]
    files = Table("Files", ("File", "Kind", "SHA-256"), hashes)
    return [*([] if plot is None else [plot]), Facts("Audit", facts), table, files]


_COMMANDS: Mapping[str, Draw] = {
    "opset": _opset,
    "quantize": _quantize,
    "simplify": _simplify,
    "evaluate": _evaluate,
    "bench": _bench,
    "validate": _validate,
    "audit": _audit,
}


def _facts(result: Values, **names: str) -> list[tuple[str, str]]:
    return [(name, plain(result.raw(key))) for key, name in names.items()]


def _listed(title: str, objects: Sequence[Values], keys: Sequence[str]) -> list[Part]:
    rows = [[Cell(plain(each.raw(key))) for key in keys] for each in objects]
    return [Table(title, [key.replace("_", " ").capitalize() for key in keys], rows)] if rows else []


def _proof(result: Values) -> list[Part]:
    proof = result.object("proof")
    if proof is None:
        return [Facts("Proof", [("Verdict", "not verified")])]
    facts = _facts(
        proof,
        verdict="Verdict",
        largest_error="Largest absolute error",
        reason="Reason",
        inputs="Inputs",
        shapes="Shapes of each run",
        unseen_outputs="Outputs without an element to compare",
        rtol="rtol",
        atol="atol (standard deviations of the output)",
    )
    for name, key in (("Ran the result", "converted"), ("Ran the original", "original")):
        ran = proof.object(key)
        words = "-" if ran is None else f"{ran.text('runtime', '-')} {ran.text('version')}".strip()
        facts.insert(2, (name, words))
    elsewhere = _listed("Other runtimes", proof.objects("elsewhere"), ("runtime", "outcome", "reason"))
    return [Facts("Proof", facts), *elsewhere]
