"""A model card, section by section as the zoo's, from what a build found and what the recipe states."""

from collections.abc import Sequence
from importlib.metadata import requires
from textwrap import fill, indent
from typing import Any

from zoosmith.checks import LEAST_COSINE
from zoosmith.quantize.sample_statistics import MEAN_LIMIT, VARIANCE_LIMIT
from zoosmith.recipes.recipe import Recipe
from zoosmith.recipes.rows import INTEGER_ROW
from zoosmith.report import Report, RowReport
from zoosmith.validation.accuracy import Share


def model_card(recipe: Recipe, report: Report) -> str:
    """Write the model card of a build.

    Args:
        recipe: states what is in none of the files.
        report: what the build found.

    Returns:
        The README.md of the model's folder; the same for the same files, on every machine.
    """
    sections = (_head, _description, _ports, _results, _quantization, _end)
    return "\n".join(section(recipe, report).strip() + "\n" for section in sections)


def _head(recipe: Recipe, report: Report) -> str:
    rows = "\n".join(_table_row(row, report) for row in report.rows)
    texts = (_weights(report), _proof(recipe, report), _published(recipe, report))
    remarks = "\n\n".join(_quoted(text) for text in texts if text)
    return f"""
<!--- SPDX-License-Identifier: MIT -->

# {recipe.title}

|Model|Download|Download (with sample test data)|ONNX version|Opset version|Weights|Top-1 accuracy (%)|
|---|---|---|---|---|---|---|
{rows}

{remarks}
"""


def _stated(text: str) -> str:
    return text or "Not stated."


def _quoted(text: str) -> str:
    return indent(_wrapped(text, 118), "> ")


def _table_row(row: RowReport, report: Report) -> str:
    model, archive = (f"[{file.size / 1e6:.1f} MB]({file.path})" for file in (row.model, row.archive))
    top1 = report.accuracy.top1.get(row.name) if report.accuracy is not None else None
    measured = "" if top1 is None else f"{100 * top1.value:.2f}"
    return f"|{row.title}|{model}|{archive}|{row.onnx_version}|{row.opset}|{report.weights}|{measured}|"


def _weights(report: Report) -> str:
    init_net = report.nets["init_net.pb"]
    identity = f"as an init net they are {init_net['bytes']:,} bytes, SHA-256 `{init_net['sha256']}`"
    if not report.synthetic:
        return f"The weights were given to the build: {identity}."
    return (
        "**The weights are synthetic**: random filters of He's scale, made from a seed, so that every file of the "
        "published layout can be made and tested without the published parameters. They classify nothing. "
        f"`zoosmith build --weights FILE` makes the same rows from an init net or from any surviving row ({identity})."
    )


def _proof(recipe: Recipe, report: Report) -> str:
    failed = [row.name for row in report.rows if not row.passed]
    if failed:
        return f"**Checks failed** for {', '.join(failed)}; `report.json` says which."
    apart = ""
    if any(row.name == INTEGER_ROW for row in report.rows):
        apart = f" {INTEGER_ROW} is held to a cosine of {LEAST_COSINE} with these outputs; its archive holds its own."
    agreed = ", with the same top-1" if recipe.classifies else ""
    source = {"builtin": "zoosmith's interpreter, in float64", "caffe2": "the real Caffe2"}[report.reference]
    return (
        "Every row is valid for `onnx.checker` with `full_check=True`, declares the opset of its name, and gives on "
        f"each of the {report.sets} sample inputs what the Caffe2 net itself gives (computed by {source}): within 1e-3 "
        f"of the value plus 1e-5 of the outputs' standard deviation{agreed}. Opsets 7 and up ran in ONNX "
        "Runtime; older ones, which no maintained runtime runs, in ONNX's reference evaluator with the operators of "
        f"their time.{apart}"
    )


def _published(recipe: Recipe, report: Report) -> str:
    compared = [f"{recipe.stem(row.name)} {row.published}" for row in report.rows if row.published]
    if compared:
        return f"SHA-256 against the published files: {'; '.join(compared)}."
    published = [recipe.rows[row.name].published for row in report.rows if row.name in recipe.rows]
    return " ".join(
        f"The published `{recipe.stem(row.name)}.onnx` is the published opset-{row.mislabelled_as} file under another "
        f"name; here it is of opset {row.opset}."
        for row in published
        if row is not None and row.mislabelled_as is not None
    )


def _description(recipe: Recipe, report: Report) -> str:
    net = report.nets["predict_net.pb"]
    return f"""
## Description

{_stated(recipe.card.description)}

### Paper

{_stated(recipe.card.paper)}

### Dataset

{_stated(recipe.card.dataset)}

## Source

Caffe2 {recipe.title} ==> ONNX {recipe.title}. The Caffe2 net (`predict_net.pb`, {net["bytes"]:,} bytes, SHA-256
`{net["sha256"]}`) {recipe.card.source or "was given to the build."}{_converted(recipe, report)}
"""


def _converted(recipe: Recipe, report: Report) -> str:
    """Say where the rows that the zoo does not publish come from; empty where there are none."""
    others = [row.name for row in report.rows if row.name not in recipe.rows]
    if not others:
        return ""
    return f" Opsets that the zoo does not publish ({', '.join(others)}) are converted from the nearest of these."


def _ports(recipe: Recipe, report: Report) -> str:
    first, last = report.rows[0], report.rows[-1]
    sample_data = recipe.card.sample_data or recipe.samples.kind.capitalize()
    return f"""
## Model input and output

### Input

```
{_listed(first.inputs)}
```

### Output

```
{_listed(first.outputs)}
```

### Pre-processing steps

{_stated(recipe.card.preprocessing)}

### Post-processing steps

{_stated(recipe.card.postprocessing)}

### Sample test data

{sample_data}, with the outputs that the Caffe2 net gives for them. In each archive:

{_test_data(report)}

The `.npz` files hold the arrays `inputs` and `outputs`, the values of a set stacked along a new first axis, and no
pickles. `zoosmith validate model/{last.archive.path.rpartition("/")[2]}` runs them.
"""


def _wrapped(text: str, width: int = 120) -> str:
    return fill(text, width, break_long_words=False, break_on_hyphens=False)


def _listed(ports: Sequence[dict[str, Any]]) -> str:
    return "\n".join(_port(port) for port in ports)


def _port(port: dict[str, Any]) -> str:
    kind = port["type"].removeprefix("tensor(").removesuffix(")")
    shape = ", ".join("?" if size is None else str(size) for size in port["shape"] or ())
    return f"{port['name']}: {kind}[{shape}]"


def _test_data(report: Report) -> str:
    names = [f"test_data_{index}.npz" for index in range(report.sets)]
    names += [f"test_data_set_{index}" for index in range(report.sets)]
    return "\n".join(f"- {name}" for name in names)


def _results(recipe: Recipe, report: Report) -> str:
    return f"""
## Results/accuracy on test set

{_accuracy(recipe, report)}

{recipe.card.accuracy}
"""


def _accuracy(recipe: Recipe, report: Report) -> str:
    measured = report.accuracy
    if measured is None:
        return _wrapped(
            "Not measured in this build: the accuracy column stays empty until the files themselves have been run on "
            "labelled images (`zoosmith build --data FOLDER`, or `zoosmith evaluate MODEL --data FOLDER`)."
        )
    rows = "\n".join(
        f"|{recipe.stem(name)}|{_share(top1)}|{_share(measured.top5[name])}|" for name, top1 in measured.top1.items()
    )
    return (
        f"Measured on the {measured.images:,} images of `{measured.data}`, pre-processed as above, with 95 % intervals:"
        f"\n\n|Model|Top-1 (%)|Top-5 (%)|\n|---|---|---|\n{rows}"
    )


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{100 * share.value:.2f} ({100 * low:.2f} to {100 * high:.2f})"


def _quantization(recipe: Recipe, report: Report) -> str:
    packages = "\n".join(f"- {text}" for text in _requirements(("onnx", "onnxruntime", "onnxsim")))
    row = next((row for row in report.rows if row.name == INTEGER_ROW), None)
    if row is None:
        done = f"The row `{INTEGER_ROW}` is made of the row of opset 12; this build has none."
    else:
        done = (
            f"{recipe.stem(INTEGER_ROW)} is made of {recipe.stem('12')} and computes in integers from end to end: "
            "weights are int8 with a scale for each output channel, activations uint8; one QuantizeLinear is at "
            "the input, one DequantizeLinear at the output. An affine (BatchNormalization, Mul, Add) that follows "
            "a convolution is folded into it; one that follows a Concat is a depthwise 1 x 1 convolution, whose "
            "one weight a channel is exactly 127 of its scale. Weights are such that no processor saturates, with "
            "or without VNNI, so the archive's outputs hold on both. "
            f"{_calibration(recipe, report)}{_distance(row)}"
        )
    return f"""
## Quantization

{_wrapped(done)}

### Environment

{packages}

### Prepare model

```shell
zoosmith build --rows 12
```

### Model quantize

```shell
zoosmith quantize {recipe.path("12")} -o {recipe.path(INTEGER_ROW)} --calibrate FOLDER
```
"""


def _calibration(recipe: Recipe, report: Report) -> str:
    """Say what the ranges come from, how like the training data that is, and what no photograph has proved."""
    found = report.calibration
    if found is None:
        return ""
    if found.distance is None:
        judged = "The weights state no statistics of their training data, so that these samples cannot be judged."
    else:
        limits = f"at most {MEAN_LIMIT:g} and {VARIANCE_LIMIT:g} are accepted as like the training data"
        judged = f"On them the activations have {found.distance}; {limits}."
    texts = [f"Ranges were calibrated on {found.samples}.", judged]
    if report.accuracy is None:
        texts.append(
            f"The row was checked on {recipe.samples.kind} only, others than those that it was calibrated on: its "
            "accuracy on real data was not measured in this build."
        )
    return " ".join(texts)


def _distance(row: RowReport) -> str:
    """Say how far a row is from the source; empty where its outputs have no such figures."""
    if row.cosine is None or row.max_scaled is None:
        return ""
    return (
        f" Against the Caffe2 net's outputs the cosine is {row.cosine:.6f} at the least, the largest error "
        f"{row.max_scaled:.2f} standard deviations."
    )


def _requirements(names: tuple[str, ...]) -> list[str]:
    """What the installed package asks for of these, such as `onnx>=1.20`."""
    texts = (text.split(";")[0].strip() for text in requires("zoosmith") or [])
    return sorted(text for text in texts if text.rstrip("0123456789.,<>=!~ ") in names)


def _end(recipe: Recipe, report: Report) -> str:
    return f"""
## References

{_stated(recipe.card.references)}

## Contributors

{recipe.card.contributors or "This card and the files beside it are made by zoosmith."}

## License

{_stated(recipe.card.license)}
"""
