"""The card says of each row in integers or half precision what it is, what it was made on, and what proves it."""

from dataclasses import replace

import pytest

from zoosmith.building.row_verification import failed_row
from zoosmith.cards.quantization import quantization_texts
from zoosmith.quantize.samples.statistics import SampleDistance
from zoosmith.recipes.densenet121 import DENSENET121
from zoosmith.results.report import Accuracy, BuiltFile, Calibration, Report, RowReport
from zoosmith.validation.accuracy.evaluation import Share

PICTURES = "made-up pictures of natural statistics"
DISTANCE = SampleDistance(0.23, 0.17, 0.07, 121)


def row(name: str, conversions: int = 2) -> RowReport:
    made = failed_row(DENSENET121.rows[name], "run", "")
    port = ({"name": "x", "type": "tensor(float)", "shape": [1]},)
    file = BuiltFile(f"model/densenet-{name}.onnx", 1, "0")
    return replace(
        made, model=file, inputs=port, outputs=port, float_conversions=conversions, cosine=0.9997, max_scaled=0.07
    )


def report(*rows: RowReport, **changes: object) -> Report:
    made = Report(
        title="DenseNet-121",
        kind="Caffe2 net",
        weights="given",
        synthetic=False,
        nets={},
        reference="builtin",
        sets=1,
        seed=0,
        samples=PICTURES,
        command=(),
        calibration=Calibration(f"64 {PICTURES}", True, DISTANCE),
        rows=rows,
        versions={},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def texts(found: Report) -> str:
    return "\n".join(quantization_texts(DENSENET121, found))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("12-int8", "densenet-12-int8 is made of densenet-12 and computes in integers from end to end"),
        ("12-qdq", "with one scale for each tensor (DequantizeLinear of opset 12 takes no more)"),
        ("13-qdq", "with a scale for each output channel"),
        ("12-fp16", "densenet-12-fp16 is made of densenet-12 and computes in float16"),
    ],
)
def test_each_row_is_described_with_what_calibrated_it_and_what_proves_it(name: str, said: str) -> None:
    text = texts(report(row(name)))
    assert said in text
    assert f"64 {PICTURES}" in text and f"On them the activations have {DISTANCE}" in text
    assert f"The row was checked on {PICTURES} only, others than those that it was calibrated on" in text
    assert "the cosine is 0.999700 at the least" in text


def test_the_runtime_that_a_row_is_for_is_named() -> None:
    wanted = "The file is for onnxruntime==1.32.0 and newer"
    assert wanted in texts(report(row("12-int8"), runtime="onnxruntime==1.32.0"))
    assert wanted not in texts(report(row("12-qdq"), runtime="onnxruntime==1.32.0"))
    assert "The file is for" not in texts(report(row("12-int8")))


def test_rows_together_share_what_they_were_calibrated_on() -> None:
    text = texts(report(row("12-int8"), row("12-qdq"), row("12-fp16")))
    assert text.count("Ranges were calibrated on") == 1
    assert "What stays in float32 was decided on the first of" in text
    assert "were calibrated on: 12-int8, 12-qdq and 12-fp16. The accuracy on real data was not measured" in text


def test_a_row_that_was_measured_on_labelled_images_rests_on_them() -> None:
    shares = {"12-int8": Share(9, 10)}
    measured = report(row("12-int8"), row("12-qdq"), accuracy=Accuracy("photographs", 10, shares, shares))
    assert "calibrated on: 12-qdq. The accuracy" in texts(measured)
    assert "checked on" not in texts(replace(measured, rows=[row("12-int8")])).lower()


def test_inputs_of_a_user_that_were_calibrated_on_are_said_to_be_what_was_checked_on() -> None:
    fed = report(
        row("12-int8"), samples="the inputs of a.npz", calibration=Calibration("3 the inputs of a.npz", False, None)
    )
    assert "checked on the inputs of a.npz only, the very ones that it was calibrated on" in texts(fed)
    assert "these samples cannot be judged" in texts(fed)


def test_a_row_with_float_inside_is_not_said_to_be_integer_from_end_to_end() -> None:
    text = texts(report(row("12-int8", conversions=14)))
    assert "end to end" not in text and "stand 14 QuantizeLinear and DequantizeLinear" in text


def test_a_build_without_such_rows_says_so() -> None:
    assert texts(report()) == "The row `12-int8` is made of the row of opset 12; this build has none."
