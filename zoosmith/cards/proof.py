"""What a model card says of how its rows were verified: from the build itself, row by row."""

from collections.abc import Iterable, Iterator, Sequence

from zoosmith.recipes.recipe import Recipe
from zoosmith.recipes.rows import INTEGER_ROW
from zoosmith.results.checks import LEAST_COSINE
from zoosmith.results.report import Report, RowReport


def proof_texts(recipe: Recipe, report: Report) -> Iterator[str]:
    """Say what every row was held to, what ran it, and which rows failed.

    Args:
        recipe: of the model.
        report: what the build found.

    Yields:
        One paragraph after the other.
    """
    failed = [row.name for row in report.rows if not row.passed]
    if failed:
        yield f"**Checks failed** for {and_list(failed)}; `report.json` says which."
    lost = [row.name for row in report.rows if row.model is None]
    if lost:
        yield f"There is no file of {and_list(lost)}: it could not be made, or not be run."
    passed = [row for row in report.written if row.passed]
    texts = [_held(recipe, report, [row for row in passed if row.exact])]
    others = [row.name for row in passed if not row.exact]
    if others:
        one = len(others) == 1
        texts.append(
            f"{and_list(others)} {'is' if one else 'are'} held to a cosine of {LEAST_COSINE} with the outputs of the "
            f"{report.kind}; {'its archive holds its' if one else 'their archives hold their'} own."
        )
    yield " ".join(text for text in [*texts, _ran_in(report)] if text)


def _held(recipe: Recipe, report: Report, rows: Sequence[RowReport]) -> str:
    """Say what exact rows were held to; empty where there are none."""
    if not rows:
        return ""
    every = len(rows) == sum(row.exact for row in report.rows)
    subject = "Every row" if every else f"Each of the rows {and_list(row.name for row in rows)}"
    samples = f"each of the {report.sets} sample inputs" if report.sets > 1 else "the sample input"
    agreed = ", with the same top-1" if recipe.classifies else ""
    others = [row.name for row in report.rows if not row.exact]
    exact = f" but {'the integer one' if others == [INTEGER_ROW] else and_list(others)}" if every and others else ""
    return (
        f"{subject}{exact} is valid for `onnx.checker` with `full_check=True`, declares the opset of its name, and "
        f"gives on {samples} what the {report.kind} itself gives{_computed_by(report)}: within 1e-3 of the value plus "
        f"1e-5 of the outputs' standard deviation{agreed}."
    )


def _computed_by(report: Report) -> str:
    if report.kind == "ONNX model":
        return ""
    source = {"builtin": "zoosmith's interpreter, in float64", "caffe2": "the real Caffe2"}[report.reference]
    return f" (computed by {source})"


def _ran_in(report: Report) -> str:
    """Say what ran each row in this build."""
    rows: dict[str, list[str]] = {}
    for row in report.written:
        if row.ran_in is not None:
            rows.setdefault(row.ran_in.name, []).append(row.name)
    texts = []
    for runtime, names in rows.items():
        operators = " with the operators of their opsets" if "reference evaluator" in runtime else ""
        texts.append(f"{and_list(names)} ran in {runtime}{operators}")
    return f"In this build {'; '.join(texts)} (versions in `report.json`)." if texts else ""


def and_list(names: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
