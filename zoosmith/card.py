"""The model card of DenseNet-121, section by section as the published one, from what a build found."""

from importlib.metadata import requires
from textwrap import fill, indent
from typing import Any

from zoosmith.checks import LEAST_COSINE
from zoosmith.recipes.densenet121 import INTEGER_ROW, PREPROCESSING, ROWS
from zoosmith.report import Report, RowReport
from zoosmith.validation.accuracy import Share

_MODEL = "DenseNet-121"


def model_card(report: Report) -> str:
    """Return the README.md of the model's folder; the same for the same files, on every machine."""
    sections = (_head, _description, _ports, _results, _quantization, _end)
    return "\n".join(section(report).strip() + "\n" for section in sections)


def _head(report: Report) -> str:
    rows = "\n".join(_table_row(row, report) for row in report.rows)
    remarks = "\n\n".join(_quoted(text) for text in (_weights(report), _proof(report), _published(report)) if text)
    return f"""
<!--- SPDX-License-Identifier: MIT -->

# {_MODEL}

|Model|Download|Download (with sample test data)|ONNX version|Opset version|Weights|Top-1 accuracy (%)|
|---|---|---|---|---|---|---|
{rows}

{remarks}
"""


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


def _proof(report: Report) -> str:
    failed = [row.name for row in report.rows if not row.passed]
    if failed:
        return f"**Checks failed** for {', '.join(failed)}; `report.json` says which."
    apart = ""
    if any(row.name == INTEGER_ROW for row in report.rows):
        apart = f" {INTEGER_ROW} is held to a cosine of {LEAST_COSINE} with these outputs; its archive holds its own."
    source = {"builtin": "zoosmith's interpreter, in float64", "caffe2": "the real Caffe2"}[report.reference]
    return (
        "Every row is valid for `onnx.checker` with `full_check=True`, declares the opset of its name, and gives on "
        f"each of the {report.sets} sample inputs what the Caffe2 net itself gives (computed by {source}): within 1e-3 "
        "of the value plus 1e-5 of the outputs' standard deviation, with the same top-1. Opsets 7 and up ran in ONNX "
        "Runtime; older ones, which no maintained runtime runs, in ONNX's reference evaluator with the operators of "
        f"their time.{apart}"
    )


def _published(report: Report) -> str:
    compared = [f"densenet-{row.name} {row.published}" for row in report.rows if row.published]
    if compared:
        return f"SHA-256 against the published files: {'; '.join(compared)}."
    if not any(row.name == "6" for row in report.rows):
        return ""
    return "The published `densenet-6.onnx` is the published opset-9 file under another name; here it is of opset 6."


def _description(report: Report) -> str:
    net = report.nets["predict_net.pb"]
    return f"""
## Description

{_MODEL} classifies an image into the 1,000 classes of ILSVRC2012. Each of its layers reads the outputs of all layers
before it in the same block, joined along the channels: four blocks of 6, 12, 24 and 16 layers, every layer a 1 x 1
convolution to 128 channels and a 3 x 3 convolution to 32 more, 121 layers with parameters in all.

### Paper

[Densely Connected Convolutional Networks](https://arxiv.org/abs/1608.06993), Huang, Liu, van der Maaten, Weinberger

### Dataset

[ILSVRC2012](https://www.image-net.org/challenges/LSVRC/2012/), on which the published weights were trained

## Source

Caffe2 {_MODEL} ==> ONNX {_MODEL}. The Caffe2 net (`predict_net.pb`, {net["bytes"]:,} bytes, SHA-256
`{net["sha256"]}`) is rebuilt from the architecture. Opset 9 is its
translation; 8 and 7 are that file under their own number, since none of its operators changed between them; 6 and 3 are
translations in the form that those opsets allow; 12 is `onnx.version_converter`'s upgrade of 9, in which the parameters
are no graph inputs any more.{_converted(report)}
"""


def _converted(report: Report) -> str:
    """Say where the rows that the zoo does not publish come from; empty where there are none."""
    others = [row.name for row in report.rows if row.name not in ROWS]
    if not others:
        return ""
    return f" Opsets that the zoo does not publish ({', '.join(others)}) are converted from the nearest of these."


def _ports(report: Report) -> str:
    mean = ", ".join(map(str, PREPROCESSING.mean))
    return f"""
## Model input and output

### Input

```
{_port(report.rows[0].inputs[0])}
```

### Output

```
{_port(report.rows[0].outputs[0])}
```

### Pre-processing steps

{_wrapped(f"Those of the Caffe weights, which the published ones are. {PREPROCESSING.describe()}")}

```python
import numpy as np
from PIL import Image


def preprocess(path):
    image = Image.open(path).convert("RGB")
    side = min(image.size)
    image = image.resize((256 * image.width // side, 256 * image.height // side), Image.Resampling.BILINEAR)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), dtype=np.float64)[:, :, ::-1]
    return ((pixels - [{mean}]) * {PREPROCESSING.scale[0]}).astype(np.float32).transpose(2, 0, 1)[np.newaxis]
```

### Post-processing steps

The output holds logits, one a class, with two axes of size 1 after them; no softmax has been applied. Class numbers are
those of the ILSVRC2012 `synset` list, in its order.

```python
import numpy as np


def postprocess(output, count=5):
    logits = output.reshape(-1)
    exponents = np.exp(logits - logits.max())
    probabilities = exponents / exponents.sum()
    return [(int(label), float(probabilities[label])) for label in np.argsort(-probabilities)[:count]]
```

### Sample test data

Pictures of random pixels, pre-processed as above, with the outputs that the Caffe2 net gives for them. In each archive:

{_test_data(report)}

The `.npz` files hold the arrays `inputs` and `outputs`, the values of a set stacked along a new first axis, and no
pickles. `zoosmith validate model/{report.rows[-1].archive.path.rpartition("/")[2]}` runs them.
"""


def _wrapped(text: str, width: int = 120) -> str:
    return fill(text, width, break_long_words=False, break_on_hyphens=False)


def _port(port: dict[str, Any]) -> str:
    return f"{port['name']}: float{port['shape']}"


def _test_data(report: Report) -> str:
    names = [f"test_data_{index}.npz" for index in range(report.sets)]
    names += [f"test_data_set_{index}" for index in range(report.sets)]
    return "\n".join(f"- {name}" for name in names)


def _results(report: Report) -> str:
    return f"""
## Results/accuracy on test set

{_accuracy(report)}

The authors of the Caffe weights report 74.91 % top-1 and 92.19 % top-5 on ILSVRC2012; the zoo's card lists 60.96 %
top-1 for its opset-12 row and does not say with which pre-processing.
"""


def _accuracy(report: Report) -> str:
    measured = report.accuracy
    if measured is None:
        return _wrapped(
            "Not measured in this build: the accuracy column stays empty until the files themselves have been run on "
            "labelled images (`zoosmith build --data FOLDER`, or `zoosmith evaluate MODEL --data FOLDER`)."
        )
    rows = "\n".join(
        f"|densenet-{name}|{_share(top1)}|{_share(measured.top5[name])}|" for name, top1 in measured.top1.items()
    )
    return (
        f"Measured on the {measured.images:,} images of `{measured.data}`, pre-processed as above, with 95 % intervals:"
        f"\n\n|Model|Top-1 (%)|Top-5 (%)|\n|---|---|---|\n{rows}"
    )


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{100 * share.value:.2f} ({100 * low:.2f} to {100 * high:.2f})"


def _quantization(report: Report) -> str:
    packages = "\n".join(f"- {text}" for text in _requirements(("onnx", "onnxruntime", "onnxsim")))
    row = next((row for row in report.rows if row.name == INTEGER_ROW), None)
    if row is None:
        done = f"The row `{INTEGER_ROW}` is made of the row of opset 12; this build has none."
    else:
        done = (
            f"densenet-{INTEGER_ROW} is made of densenet-12 and computes in integers from end to end: weights are int8 "
            "with a scale for each output channel, activations uint8; one QuantizeLinear is at the input, one "
            "DequantizeLinear at the output. An affine (BatchNormalization, Mul, Add) that follows a convolution is "
            "folded into it; one that follows a Concat is a depthwise 1 x 1 convolution, whose one weight a channel is "
            "exactly 127 of its scale. Weights are such that no processor saturates, with or without VNNI, so the "
            f"archive's outputs hold on both. Ranges were calibrated on {report.calibration}. Against the Caffe2 net's "
            f"outputs the cosine is {row.cosine:.6f} at the least, the largest error {row.max_scaled:.2f} standard "
            "deviations."
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
zoosmith quantize model/densenet-12.onnx -o model/densenet-12-int8.onnx --calibrate FOLDER
```
"""


def _requirements(names: tuple[str, ...]) -> list[str]:
    """What the installed package asks for of these, such as `onnx>=1.20`."""
    texts = (text.split(";")[0].strip() for text in requires("zoosmith") or [])
    return sorted(text for text in texts if text.rstrip("0123456789.,<>=!~ ") in names)


def _end(report: Report) -> str:
    return """
## References

- [The ONNX Model Zoo](https://github.com/onnx/models), whose table these rows follow
- [DenseNet-Caffe](https://github.com/shicai/DenseNet-Caffe), the Caffe weights and their reported accuracy

## Contributors

This card and the files beside it are made by zoosmith. The published opset-12 and int8 rows were contributed to the zoo
by mengniwang95, airMeng, ftian1 and hshen14 (Intel).

## License

MIT
"""
