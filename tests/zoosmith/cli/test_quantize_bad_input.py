"""What `zoosmith quantize` cannot use is refused in one line that names it; exit code 2, and nothing is written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.optimize.nets import Net
from zoosmith.cli import main
from zoosmith.quantize import quantize
from zoosmith.quantize.half_precision import to_half
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target


def net() -> onnx.ModelProto:
    built = Net([1, 3, 16, 16])
    return built.model(built.add("GlobalAveragePool", built.add("Relu", built.conv("data", 3, 8))))


def values(count: int = 6) -> np.ndarray:
    return np.random.RandomState(0).rand(count, 3, 16, 16).astype(np.float32)


def with_value(value: float) -> np.ndarray:
    result = values()
    result[2, 0, 0, 0] = value
    return result


SAMPLES: dict[str, tuple[Callable[[], dict[str, np.ndarray]], str]] = {
    "another shape": (
        lambda: {"data": values()[:, :, :8]},
        "a.npz: 'data' is [6, 3, 8, 16]; expected [N, 3, 16, 16] of at least 1 along axis 0",
    ),
    "another rank": (
        lambda: {"data": values()[0]},
        "a.npz: 'data' is [3, 16, 16]; expected [N, 3, 16, 16] of at least 1 along axis 0",
    ),
    "none": (
        lambda: {"data": values(0)},
        "a.npz: 'data' is [0, 3, 16, 16]; expected [N, 3, 16, 16] of at least 1 along axis 0",
    ),
    "another name": (lambda: {"x": values()}, "a.npz: no array 'data', the model's input; it has x"),
    "another type": (lambda: {"data": values().astype("f8")}, "a.npz: 'data' is float64; expected float32"),
    "one value": (
        lambda: {"data": np.zeros_like(values())},
        "calibration samples of no spread: every value is 0 in 'data'; expected samples that differ",
    ),
    "one colour": (
        lambda: {"data": np.broadcast_to(np.float32([1, 2, 3])[:, None, None], (6, 3, 16, 16))},
        "calibration samples of no spread: every value is 1, 2, 3 in 'data'; expected samples that differ",
    ),
    "NaN": (lambda: {"data": with_value(np.nan)}, "calibration sample 3: input 'data' holds NaN"),
    "infinity": (
        lambda: {"data": with_value(np.inf)},
        "tensor data: NaN or infinite for sample 3; expected finite activations",
    ),
}


def code(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["quantize", *map(str, arguments), "--no-cache"])
    return int(stop.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> str:
    """The one line that an error is."""
    written = set(folder.rglob("*"))
    assert code(*arguments, "-o", folder / "o.onnx", "-q") == 2
    assert set(folder.rglob("*")) == written
    out, err = capsys.readouterr()
    [line] = [line for line in err.splitlines() if not line.startswith("skipped: ")]
    assert out == "" and line.startswith("error: ")
    return line


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_samples_that_are_no_use(
    kind: str, force: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = SAMPLES[kind]
    onnx.save(net(), tmp_path / "net.onnx")
    np.savez(tmp_path / "a.npz", **make())  # type: ignore[arg-type]
    line = refused(capsys, tmp_path, tmp_path / "net.onnx", "--calibrate", tmp_path / "a.npz", *force)
    assert line.startswith(f"error: {tmp_path / 'net.onnx'}: ") and line.endswith(message)


@pytest.mark.parametrize(
    ("form", "kind", "message"),
    [
        ("integer", "int8", "already quantized: it holds QuantizeLinear; expected a float32 model"),
        ("qdq", "int8", "already quantized: it holds QuantizeLinear; expected a float32 model"),
        ("integer", "float16", "already quantized: it holds QuantizeLinear; expected a float32 model"),
        (
            "float16",
            "int8",
            "nothing to quantize, its weights are float16; expected a Conv, Gemm or MatMul with constant weights in "
            "float32",
        ),
        ("float16", "float16", "no value in float32 that float16 can take the place of"),
    ],
)
def test_a_model_that_is_quantized_already(
    form: str, kind: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = net()
    samples = random_samples(model, 4)
    made = to_half(model, samples, form).model if form == "float16" else quantize(model, samples, target=Target(form))
    onnx.save(made, tmp_path / "q.onnx")
    line = refused(capsys, tmp_path, tmp_path / "q.onnx", "--to", kind)
    assert line == f"error: {tmp_path / 'q.onnx'}: {message}"


def test_images_that_cannot_be_read_are_named_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(net(), tmp_path / "net.onnx")
    images = tmp_path / "images"
    images.mkdir()
    for index in range(3):
        Image.fromarray((values()[index].transpose(1, 2, 0) * 255).astype(np.uint8)).save(images / f"{index}.png")
    (images / "junk.png").write_bytes(b"junk")
    (images / "cut.png").write_bytes((images / "0.png").read_bytes()[:100])
    assert code(tmp_path / "net.onnx", "-o", tmp_path / "o.onnx", "--calibrate", images) == 0
    out, err = capsys.readouterr()
    assert "calibrated on 3 samples of" in out and "(2 that cannot be read left out)" in out
    skipped = [line for line in err.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 2 and all(any(name in line for line in skipped) for name in ("junk.png", "cut.png"))


def test_a_folder_in_which_no_image_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(net(), tmp_path / "net.onnx")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "junk.png").write_bytes(b"junk")
    line = refused(capsys, tmp_path, tmp_path / "net.onnx", "--calibrate", tmp_path / "images")
    assert line == f"error: {tmp_path / 'images'}: none of its 1 images can be read"


@pytest.mark.parametrize("taken", ["net.onnx", "out.onnx"])
def test_a_report_does_not_take_the_place_of_a_model(
    taken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(net(), "net.onnx")
    before = Path("net.onnx").read_bytes()
    with pytest.raises(SystemExit) as end:
        main(
            ["quantize", "net.onnx", "-o", "out.onnx", "--calibrate", "random", "--report", str(Path(taken).absolute())]
        )
    assert end.value.code == 2
    message = f"{taken}: is a model of this command; expected another file for --report"
    assert capsys.readouterr().err.splitlines()[-1].endswith(message)
    assert Path("net.onnx").read_bytes() == before
    assert not Path("out.onnx").exists()


@pytest.mark.parametrize("option", ["--atol", "--rtol", "--timeout", "--min-cosine", "--max-drop"])
def test_a_limit_that_is_no_number(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["quantize", "net.onnx", "-o", str(tmp_path / "out.onnx"), option, "nan"])
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: Invalid value for '{option}': 'nan' is not a number")


IN_VAIN = {
    "an infinite limit": (["--atol", "inf"], "Invalid value for '--atol': 'inf' is not a finite number"),
    "an infinite time": (["--timeout", "inf"], "Invalid value for '--timeout': 'inf' is not a finite number"),
    "labels of nothing": (["--labels", "labels.csv"], "--labels needs --data, the images that they are of"),
    "a cache that is a file": (["--cache", "net.onnx"], "Invalid value for '--cache': Directory 'net.onnx' is a file"),
    "a provider that is not there": (["--providers", "zz"], "provider 'zz': the installed ONNX Runtime "),
    "data that are not there": (["--feed", "no.npz", "--atol", "1"], "no.npz: no such file or folder"),
    "a page in a file": (["--html", "net.onnx/a.html"], "net.onnx/a.html: cannot be written: "),
    "an output in a file": (["-o", "net.onnx/a.onnx"], "net.onnx/a.onnx: cannot be written: "),
    "an output that is a folder": (["-o", "folder"], "folder: cannot be written: Is a directory"),
    "an output over its source": (["-o", "net.onnx"], "net.onnx: is what the output is made of, and would be lost"),
    "an output over a link to its source": (["-o", "link.onnx"], "link.onnx: is what the output is made of"),
    "an array without a name": (
        ["--calibrate", "a.npy"],
        "a.npy: expected an NPZ file of arrays by name, as numpy.savez",
    ),
}


@pytest.mark.parametrize("case", IN_VAIN)
@pytest.mark.parametrize("kind", ["int8", "float16"])
def test_what_cannot_end_well_is_refused_before_any_work(
    case: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(net(), "net.onnx")
    Path("link.onnx").symlink_to("net.onnx")
    Path("folder").mkdir()
    np.save("a.npy", values())
    options, message = IN_VAIN[case]
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    with pytest.raises(SystemExit) as end:
        main(["quantize", "net.onnx", "-o", "out.onnx", "--to", kind, "--calibrate", "random", *options])
    assert end.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    if kind == "int8" or "--labels" not in options:
        assert line.startswith("error: ") and message in line
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


@pytest.mark.parametrize("operator", ["Log", "Sqrt"])
def test_a_net_that_gives_no_number_is_refused(
    operator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    built = Net([1, 3, 16, 16])
    onnx.save(
        built.model(built.add(operator, built.add("Neg", built.add("Exp", built.conv("data", 3, 8))))), "net.onnx"
    )
    with pytest.raises(SystemExit) as end:
        main(["quantize", "net.onnx", "-o", "out.onnx", "--calibrate", "random", "--samples", "4"])
    assert end.value.code == 2 and not Path("out.onnx").exists()
    message = "net.onnx: nothing can be compared: on the samples the model gives only NaN or infinity"
    assert message in capsys.readouterr().err.splitlines()[-1]
