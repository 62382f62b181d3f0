"""The table of operators and version steps: `python -m zoosmith.opset_upgrade.docs_table > docs/opset_table.md`."""

from collections import defaultdict

from zoosmith.opset_upgrade.registry import STANDARD_FORMS, TYPE_FALLBACKS
from zoosmith.opset_upgrade.schemas import ML_DOMAIN, NEWEST_OPSET, NEWEST_VERSIONS, history
from zoosmith.opset_upgrade.version_steps import Step, all_steps

_COLUMNS = (
    "up, native",
    "up, derived",
    "up, refused",
    "down, native",
    "down, derived",
    "down, decomposed",
    "down, refused",
)
_HEAD = f"""# Operators and version steps

Generated from the registry by `python -m zoosmith.opset_upgrade.docs_table`, for opsets 1 to {NEWEST_OPSET} of
the default domain and versions 1 to {NEWEST_VERSIONS[ML_DOMAIN]} of ai.onnx.ml.
Each operator has the versions at which its schema changed; `a→b` is the step from one to the next, upward or downward;
`a→` is the way down from the version that brought the operator.

- **native**: an adapter of ours; it may still refuse a node whose facts are not known or that the target cannot express
- **derived**: from the two schemas: types, defaults and optional parts are checked, nothing else changed
- **decomposed**: expressed in operators of the opset before
- **refused**: no way is known
- types*: where an older version does not take a type, there is a way around it

| operator | {" | ".join(_COLUMNS)} | |
|---|{"---|" * len(_COLUMNS)}---|
"""


_STANDARD = """
## Operators of ONNX Runtime

These operators of com.microsoft are expressed in standard ones where that is asked for (`standard=True`):

"""


def table() -> str:
    """The table as Markdown, and the list of ONNX Runtime's operators that have a standard form."""
    cells: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for step in all_steps():
        direction = "up" if step.target is not None and step.target > step.source else "down"
        cells[step.operator][f"{direction}, {step.kind}"].append(_arrow(step))
    rows = []
    for operator in sorted(history()):
        found = cells.get(operator, {})
        row = [" ".join(found.get(column, ())) for column in _COLUMNS]
        rows.append(f"| {operator} | " + " | ".join(row) + f" | {'types*' if operator in TYPE_FALLBACKS else ''} |")
    standard = ", ".join(operator.removeprefix("com.microsoft.") for operator in sorted(STANDARD_FORMS))
    return _HEAD + "\n".join(rows) + "\n" + _STANDARD + standard + "\n"


def _arrow(step: Step) -> str:
    return f"{step.source}→{'' if step.target is None else step.target}"


if __name__ == "__main__":
    print(table(), end="")
