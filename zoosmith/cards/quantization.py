"""What a model card says of the rows in integers and half precision: what they are, and what they rest on."""

from collections.abc import Iterator, Sequence

from zoosmith.cards.proof import and_list
from zoosmith.escaping import markdown
from zoosmith.quantize.samples.statistics import MEAN_LIMIT, VARIANCE_LIMIT
from zoosmith.recipes.recipe import Recipe
from zoosmith.recipes.rows import FLOAT16_ROW, INTEGER_ROW, PER_CHANNEL_QDQ_ROW, QDQ_ROW
from zoosmith.results.report import Report, RowReport

_WEIGHTS = (
    "An affine (BatchNormalization, Mul, Add) that follows a convolution is folded into it; one that follows a Concat "
    "is a depthwise 1 x 1 convolution, whose one weight a channel is exactly 127 of its scale. Weights are such that "
    "no processor saturates, with or without VNNI, so the archive's outputs hold on both."
)
_FOR = (
    "The file is for {runtime} and newer, and older ones may not load it: where there is a Max of uint8, a Relu behind "
    "such an affine is one."
)
_QDQ = (
    "the QDQ form, as TensorRT, OpenVINO and QNN read it: float operators between DequantizeLinear and QuantizeLinear. "
    "Weights are int8 {scales}, biases int32, activations uint8 with one scale for each tensor"
)


def quantization_texts(recipe: Recipe, report: Report) -> Iterator[str]:
    """Say of each row that does not compute exactly what the source computes what it is, and what it was made on.

    Args:
        recipe: of the model.
        report: what the build found.

    Yields:
        One paragraph after the other.
    """
    rows = [row for row in report.written if not row.exact]
    if not rows:
        yield f"The row `{INTEGER_ROW}` is made of the row of opset 12; this build has none."
        return
    told = [f"{_form(recipe, report, row)}{_distance(row)}" for row in rows]
    rest = " ".join(_calibration(report, rows))
    if len(rows) == 1:
        # the figure against the source ends the paragraph
        yield " ".join(text for text in (_form(recipe, report, rows[0]), rest, _distance(rows[0]).strip()) if text)
        return
    yield from told
    if rest:
        yield rest


def _form(recipe: Recipe, report: Report, row: RowReport) -> str:
    """Say what a row is."""
    stem, base = markdown(recipe.stem(row.name)), markdown(recipe.stem("12"))
    if row.name == FLOAT16_ROW:
        return (
            f"{stem} is made of {base} and computes in float16, between Casts, where its operators allow that; inputs "
            "and outputs stay float32. Values that float16 cannot hold, or that would keep less than 40 dB over their "
            "error, stay in float32."
        )
    if row.name == QDQ_ROW:
        form = _QDQ.format(scales="with one scale for each tensor (DequantizeLinear of opset 12 takes no more)")
        return f"{stem} is made of {base} and has {form}. An affine that follows a Concat is a Mul and an Add."
    if row.name == PER_CHANNEL_QDQ_ROW:
        return f"{stem} is made of {base} and has {_QDQ.format(scales='with a scale for each output channel')}."
    weights = _WEIGHTS if report.runtime is None else f"{_WEIGHTS} {_FOR.format(runtime=report.runtime)}"
    ports = len(row.inputs) + len(row.outputs)
    kind = "weights are int8 with a scale for each output channel, activations uint8;"
    if row.float_conversions is None or row.float_conversions <= ports:
        return (
            f"{stem} is made of {base} and computes in integers from end to end: {kind} one QuantizeLinear is at the "
            f"input, one DequantizeLinear at the output. {weights}"
        )
    return (
        f"{stem} is made of {base} and computes in integers where its operators have an integer form that was measured "
        f"to be faster: there, {kind} between it and what stays in float stand {row.float_conversions} QuantizeLinear "
        f"and DequantizeLinear. {weights}"
    )


def _calibration(report: Report, rows: Sequence[RowReport]) -> Iterator[str]:
    """Say what the ranges come from, how like the training data that is, and what no photograph has proved."""
    found = report.calibration
    if found is None:
        return
    integer = [row for row in rows if row.name != FLOAT16_ROW]
    if integer:
        yield f"Ranges were calibrated on {markdown(found.samples)}."
    if len(integer) < len(rows):
        yield f"What stays in float32 was decided on the first of {markdown(found.samples)}."
    if found.distance is None:
        yield "The weights state no statistics of their training data, so that these samples cannot be judged."
    else:
        limits = f"at most {MEAN_LIMIT:g} and {VARIANCE_LIMIT:g} are accepted as like the training data"
        yield f"On them the activations have {found.distance}; {limits}."
    measured = {} if report.accuracy is None else report.accuracy.top1
    unproved = [row.name for row in rows if row.name not in measured]
    if not unproved:
        return
    # inputs of a user are what is checked on and what is calibrated on
    same = not found.made_up and found.samples.endswith(report.samples)
    if len(rows) == 1:
        others = "the very ones that it was calibrated on" if same else "others than those that it was calibrated on"
        yield (
            f"The row was checked on {markdown(report.samples)} only, {others}: its accuracy on real data was "
            "not measured in this build."
        )
    else:
        others = "the very ones that were calibrated on" if same else "others than those that were calibrated on"
        yield (
            f"Checked on {markdown(report.samples)} only, {others}: {and_list(unproved)}. The accuracy on real "
            "data was not measured in this build."
        )
    if report.noise:
        yield "This proof rests on noise: random numbers are like no data that the model was made for."


def _distance(row: RowReport) -> str:
    """Say how far a row is from the source; empty where its outputs have no such figures."""
    if row.cosine is None or row.max_scaled is None:
        return ""
    return (
        f" Against the outputs of the source the cosine is {row.cosine:.6f} at the least, the largest error "
        f"{row.max_scaled:.2g} standard deviations."
    )
