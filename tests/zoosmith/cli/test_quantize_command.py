"""`zoosmith quantize` and `zoosmith simplify`: what they write, print and refuse."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.optimize.nets import Net, dense_block
from tests.quantize.samples.sound_nets import detector, fourier
from tests.quantize.test_mixed_precision import fragile
from tests.quantize.trained import picture_folder, trained_net
from tests.zoosmith.cli.calls import Run
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.quantize import calibrate
from zoosmith.quantize.samples.reading import read_samples
from zoosmith.quantize.similarity import CosineLoss
from zoosmith.validation import preprocessing


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(dense_block(), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Pictures in three class folders."""
    for index, colour in enumerate([(250, 5, 5), (5, 250, 5), (5, 5, 250)]):
        folder = tmp_path / "images" / str(index)
        folder.mkdir(parents=True)
        for shade in range(4):
            Image.new("RGB", (8, 8), tuple(max(0, value - 5 * shade) for value in colour)).save(folder / f"{shade}.png")
    return tmp_path / "images"


def colour_classifier(path: Path) -> Path:
    """Mean red, green and blue through an identity convolution."""
    net = Net([1, 3, 8, 8])
    x = net.add("GlobalAveragePool", "data")
    model = net.model(net.add("Conv", x, net.constant(np.eye(3, dtype=np.float32)[:, :, None, None])))
    onnx.save(model, path)
    return path


def test_random_samples_make_an_integer_model(model: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "int8.onnx"
    code, out, _ = run(
        "quantize", model, "-o", output, "--calibrate", "random", "--samples", 10, "--force", "--every-layer"
    )
    assert code == 0
    assert out.startswith(f"{output}: ")
    assert "11 integer convolutions, 4 conversions between float and integers" in out
    assert " on 256 samples not calibrated on" in out
    assert sum(node.op_type == "QLinearConv" for node in onnx.load(output).graph.node) == 11


def test_arrays_and_json(model: Path, tmp_path: Path, run: Run) -> None:
    np.savez(tmp_path / "data.npz", data=np.random.RandomState(0).rand(5, 3, 32, 32).astype(np.float32))
    arguments = [
        "quantize",
        model,
        "-o",
        tmp_path / "o.onnx",
        "--calibrate",
        tmp_path / "data.npz",
        "--force",
        "--json",
    ]
    code, out, _ = run(*arguments, "--method", "percentile")
    report = json.loads(out)["result"]
    assert code == 0
    assert (report["samples"], report["float_conversions"], report["relative_top1_drop"]) == (5, 4, None)
    assert report["bytes"] == (tmp_path / "o.onnx").stat().st_size
    assert 0 < report["error"] < 0.1


def a_trained_net(path: Path) -> Path:
    onnx.save(trained_net(), path)
    return path


def test_a_model_of_images_is_calibrated_on_made_up_pictures(tmp_path: Path, run: Run) -> None:
    path = a_trained_net(tmp_path / "net.onnx")
    options = ["-o", tmp_path / "o.onnx", "--samples", 20, "--preprocess", "torchvision"]
    code, out, _ = run("quantize", path, *options)
    assert code == 0
    assert re.search(r"calibrated on 20 samples of synthetic, like the training data: means 0\.\d\d standard", out)
    result = json.loads(run("quantize", path, *options, "--json")[1])["result"]
    assert result["calibrated_on"] == "synthetic"
    assert result["sample_distance"]["layers"] == 2


def test_samples_far_from_the_training_data_are_refused_unless_forced(tmp_path: Path, run: Run) -> None:
    path = a_trained_net(tmp_path / "net.onnx")
    options = ["-o", tmp_path / "o.onnx", "--calibrate", "random", "--samples", 8]
    code, out, err = run("quantize", path, *options)
    assert (code, out) == (2, "")
    assert f"{path}: calibration samples unlike the training data: means " in err
    assert "--force" in err
    assert not (tmp_path / "o.onnx").exists()
    code, out, _ = run("quantize", path, *options, "--force")
    assert code == 0
    assert "calibrated on 8 samples of random, far from the training data: means " in out


def test_the_preprocessing_is_found_from_the_images(tmp_path: Path, run: Run) -> None:
    path, folder = a_trained_net(tmp_path / "net.onnx"), picture_folder(tmp_path / "images")
    options = ["-o", tmp_path / "o.onnx", "--preprocess", "auto"]
    code, out, err = run("quantize", path, *options, "--calibrate", folder)
    assert code == 0
    assert "--preprocess auto takes torchvision: means 0." in err
    assert "like the training data" in out
    code, _, err = run("quantize", path, *options)
    assert code == 2
    assert "--preprocess auto compares preprocessings on images: give a folder of them, or a name" in err


def test_a_model_without_statistics_says_that_samples_cannot_be_judged(tmp_path: Path, colours: Path, run: Run) -> None:
    path = colour_classifier(tmp_path / "net.onnx")
    options = ["-o", tmp_path / "o.onnx", "--calibrate", colours, "--preprocess", "none"]
    assert "which cannot be judged: the model states no statistics" in run("quantize", path, *options)[1]


def test_an_older_opset_is_raised_first(tmp_path: Path, run: Run) -> None:
    net = Net([1, 3, 8, 8], opset=9)
    model = net.model(net.add("Relu", net.conv("data", 3, 4)))
    model.ir_version = 3  # as convert writes it: initializers are inputs
    model.graph.input.extend(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in model.graph.initializer
    )
    onnx.save(model, tmp_path / "net.onnx")
    options = ["-o", tmp_path / "o.onnx", "--calibrate", "random", "--samples", 20, "--atol", "0.3"]
    code, _, err = run("quantize", tmp_path / "net.onnx", "--every-layer", *options)
    assert code == 0
    assert f"{tmp_path / 'net.onnx'}: opset 9 raised to 12, which has integer operators" in err
    written = onnx.load(tmp_path / "o.onnx")
    assert [entry.version for entry in written.opset_import] == [12]
    assert "QLinearConv" in {node.op_type for node in written.graph.node}


def test_the_sizes_of_pictures_can_be_given(tmp_path: Path, run: Run) -> None:
    net = Net(["N", 3, "height", "width"])
    onnx.save(net.model(net.add("Relu", net.conv("data", 3, 8, 3))), tmp_path / "net.onnx")
    options = ["-o", tmp_path / "o.onnx", "--calibrate", "synthetic", "--samples", 2, "--every-layer", "--json"]
    errors = []
    for sizes in (["--input", "data=1,3,48,192"], ["--dim", "height=48", "--dim", "width=192"], []):
        code, out, _ = run("quantize", tmp_path / "net.onnx", *options, *sizes)
        assert code == 0
        errors.append(json.loads(out)["result"]["error"])
    assert errors[0] == errors[1] != errors[2]
    code, _, err = run("quantize", tmp_path / "net.onnx", *options, "--dim", "depth=3")
    assert code == 2 and err.startswith(f"error: {tmp_path / 'net.onnx'}: no input has a dimension named 'depth'")


def test_the_preprocessing_nearest_to_the_training_data_is_taken_where_none_is_named(tmp_path: Path, run: Run) -> None:
    model = trained_on(tmp_path / "net.onnx", "unit")
    options = ["--samples", 8, "--every-layer", "-o", tmp_path / "o.onnx"]
    code, _, err = run("quantize", model, *options)
    assert code == 0 and "nearest to the training data: natural pictures, --preprocess unit" in err
    code, _, err = run("quantize", model, *options, "--preprocess", "caffe-densenet")
    assert code == 2 and "calibration samples unlike the training data" in err


def test_made_up_pictures_have_text_in_them_where_the_training_data_had(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []

    def recorded(*args: Any, **options: Any) -> CosineLoss:
        compared.append(options["sorts"])
        return CosineLoss(*args, **options)

    monkeypatch.setattr("zoosmith.files.quantization.CosineLoss", recorded)
    model = trained_on(tmp_path / "net.onnx", "torchvision", kind="scenes", edges=True)
    options = ["--samples", 16, "--every-layer", "-o", tmp_path / "o.onnx", "--preprocess", "torchvision"]
    code, out, err = run("quantize", model, *options)
    assert (
        "nearest to the training data: natural pictures with text in them, and pages, --preprocess torchvision" in err
    )
    assert code == 0 and "like the training data" in out
    # the limit is held on scenes and on pages alone
    assert compared == [2]


def trained_on(path: Path, preprocess: str, *, kind: str | None = None, edges: bool = False) -> Path:
    """A net whose BatchNormalization states what made-up pictures are after a preprocessing, or fine edges in them."""
    net = Net([1, 3, 64, 64])
    source = "data"
    if edges:
        laplace = np.zeros((3, 3, 3, 3), np.float32)
        laplace[range(3), range(3)] = [[0, -1, 0], [-1, 4, -1], [0, -1, 0]]
        # what is beyond the edges of leaves and the texture between them is there in text alone
        steep = net.add("Sub", net.add("Conv", "data", net.constant(laplace)), net.constant(np.float32([3.0])))
        source = net.add("Relu", steep)
    x = net.batch_normalization(source, 3)
    model = net.model(net.add("Relu", net.conv(x, 3, 8, 3)))
    samples = read_samples(model, "synthetic", 16, preprocessing(preprocess), kind=kind)
    seen = calibrate(model, samples, tensors=[source])[source]
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    [normalization] = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    mean, variance = normalization.input[3:5]
    for name, value in ((mean, seen.mean), (variance, seen.deviation**2)):
        tensors[name].CopyFrom(onnx.numpy_helper.from_array(value.astype(np.float32), name))
    onnx.save(model, path)
    return path


def test_a_model_without_images_needs_samples(tmp_path: Path, run: Run) -> None:
    net = Net([1, 4])
    onnx.save(net.model(net.add("MatMul", "data", net.constant(np.eye(4, dtype=np.float32)))), tmp_path / "net.onnx")
    code, _, err = run("quantize", tmp_path / "net.onnx", "-o", tmp_path / "o.onnx")
    assert code == 2
    assert "give --calibrate an NPZ file, or random" in err


def test_images_calibrate_and_measure(tmp_path: Path, colours: Path, run: Run) -> None:
    path, others = colour_classifier(tmp_path / "net.onnx"), tmp_path / "others"
    for index, colour in enumerate([(240, 3, 3), (3, 240, 3), (3, 3, 240)]):
        (others / str(index)).mkdir(parents=True)
        Image.new("RGB", (8, 8), colour).save(others / str(index) / "0.png")
    options = ["--calibrate", colours, "--preprocess", "none", "--max-drop", "0.01", "--data"]
    code, out, _ = run("quantize", path, "-o", tmp_path / "o.onnx", *options, others)
    assert code == 0
    assert "top-1 drop 0.00 %" in out
    # the model states what it was calibrated on
    told = ["--preprocess", "none", "--data"]
    assert run("evaluate", path, tmp_path / "o.onnx", *told, others)[0] == 0
    code, _, err = run("evaluate", path, tmp_path / "o.onnx", *told, colours)
    assert code == 2
    assert f"{colours}: 12 of its 12 images were calibrated on, 0.png first; measure accuracy on others" in err
    code, _, err = run("quantize", path, "-o", tmp_path / "p.onnx", *options, colours)
    assert code == 2
    assert f"{colours}: 12 of its 12 images were calibrated on, 0.png first; measure accuracy on others" in err
    assert not (tmp_path / "p.onnx").exists()


def test_a_limit_that_cannot_be_kept_writes_nothing(tmp_path: Path, colours: Path, run: Run) -> None:
    path = colour_classifier(tmp_path / "net.onnx")
    # noise within 1 of 0 says nothing about pixels up to 250: all of them saturate
    options = ["--calibrate", "random", "--samples", 3, "--data", colours, "--preprocess", "none", "--max-drop", "0.1"]
    code, _, err = run("quantize", path, "--every-layer", "-o", tmp_path / "o.onnx", *options)
    assert code == 1
    assert "beyond the limit of 10 %; nothing written" in err
    assert not (tmp_path / "o.onnx").exists()


def test_a_broken_image_is_reported_and_skipped(tmp_path: Path, colours: Path, run: Run) -> None:
    (colours / "0" / "9.png").write_bytes(b"broken")
    path = colour_classifier(tmp_path / "net.onnx")
    options = ["--calibrate", colours, "--preprocess", "none", "--json"]
    code, out, err = run("quantize", path, "-o", tmp_path / "o.onnx", *options)
    assert code == 0
    assert "skipped: " in err
    result = json.loads(out)["result"]
    # a quarter is held out
    assert (result["samples"], result["unreadable"]) == (9, 1)
    assert result["compared_on"] == "3 samples not calibrated on"
    out = run("quantize", path, "-o", tmp_path / "o.onnx", *options[:-1])[1]
    assert f"calibrated on 9 samples of {colours} (1 that cannot be read left out)" in out


def test_bad_input_is_one_line(model: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "o.onnx"
    run("quantize", model, "-o", output, "--calibrate", "random", "--samples", 2, "--force")
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, message in (
        ([output, "--calibrate", "random"], "already quantized"),
        ([model, "--calibrate", empty], "no images"),
        ([model, "--calibrate", tmp_path / "absent.npz"], "absent.npz"),
        ([tmp_path / "absent.onnx", "--calibrate", "random"], "absent.onnx"),
        ([model, "--calibrate", "random", "--preprocess", "odd"], "odd"),
        ([model, "--calibrate", "random", "--max-drop", "0.1"], "--max-drop needs --data"),
    ):
        code, out, err = run("quantize", *arguments, "-o", tmp_path / "never.onnx")
        assert (code, out) == (2, "")
        assert message in err
        assert "Traceback" not in err
    assert not (tmp_path / "never.onnx").exists()


def test_simplify_writes_fewer_nodes_and_the_error(model: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "opt.onnx"
    code, out, _ = run("simplify", model, "-o", output)
    assert code == 0
    assert out.startswith(f"{output}: 22 nodes of 42, verified, ")
    assert len(onnx.load(output).graph.node) == 22


def test_simplify_refuses_a_difference(tmp_path: Path, run: Run) -> None:
    net = Net([1, 3, 8, 8])
    x = net.add("Sigmoid", "data")
    for value in (1e7, -1e7):
        # float32 loses the small values on the way up; the folded sum is zero and keeps them
        parts = [np.full(3, part, np.float32) for part in (1, value, 0, 1)]
        x = net.add("BatchNormalization", x, *map(net.constant, parts))
    onnx.save(net.model(x), tmp_path / "net.onnx")
    output = tmp_path / "opt.onnx"
    code, out, err = run("simplify", tmp_path / "net.onnx", "-o", output)
    assert (code, out) == (1, "")
    assert "differs: " in err
    assert not output.exists()
    code, out, _ = run("simplify", tmp_path / "net.onnx", "-o", output, "--json")
    assert code == 1
    assert json.loads(out)["result"]["output"] is None
    assert run("simplify", tmp_path / "net.onnx", "-o", output, "--atol", "10")[0] == 0


def test_simplify_refuses_what_is_no_model(tmp_path: Path, run: Run) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    code, _, err = run("simplify", tmp_path / "junk.onnx", "-o", tmp_path / "o.onnx")
    assert code == 2
    assert "junk.onnx" in err


@pytest.mark.parametrize("kind", ["int8", "float16"])
def test_a_report_that_cannot_be_written_is_refused_before_the_model_is_made(
    model: Path, kind: str, tmp_path: Path, run: Run
) -> None:
    result, file = tmp_path / "o.onnx", tmp_path / "file"
    file.touch()
    for report, why in (
        (tmp_path, f"{tmp_path}: is a folder; expected a file for --report"),
        (file / "new" / "r.json", f"{file / 'new' / 'r.json'}: {file} is a file; expected a folder for --report"),
    ):
        command = ("quantize", model, "-o", result, "--to", kind, "--calibrate", "random", "--report", report)
        assert run(*command) == (2, "", f"error: {why}\n")
        assert not result.exists()


def test_a_report_says_what_each_layer_costs_and_the_worst_stay_in_float(model: Path, tmp_path: Path, run: Run) -> None:
    options = ["-o", tmp_path / "o.onnx", "--calibrate", "random", "--samples", 4, "--force", "--every-layer"]
    report = tmp_path / "report.json"
    code, out, _ = run("quantize", model, *options, "--keep-float", 2, "--report", report, "--json")
    assert code == 0
    result = json.loads(report.read_text())
    assert result == json.loads(out)["result"]
    assert len(result["kept_in_float"]) == 2
    convolutions = [layer for layer in result["layers"] if layer["op_type"] == "Conv"]
    assert convolutions
    assert set(convolutions[0]) == {"name", "op_type", "snr_db", "minimum", "maximum", "clipped", "alone_db"}
    # what stays in float cost the most
    alone = {layer["name"]: layer["alone_db"] for layer in result["layers"]}
    run("quantize", model, *options, "--report", report)
    everything = json.loads(report.read_text())["layers"]
    kept = sorted(layer["alone_db"] for layer in everything)[:2]
    assert max(kept) <= min(alone.values())


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_is_verified_and_halves_the_file(kind: str, model: Path, tmp_path: Path, run: Run) -> None:
    output = tmp_path / "half.onnx"
    options = ["-o", output, "--to", kind, "--calibrate", "random", "--force"]
    code, out, _ = run("quantize", model, *options)
    assert code == 0
    assert f" in {kind}" in out and "verified" in out
    assert output.stat().st_size < 0.65 * model.stat().st_size
    result = json.loads(run("quantize", model, *options, "--json")[1])["result"]
    assert (result["to"], result["kept_in_float"]) == (kind, [])
    assert result["proof"] is not None
    code, _, err = run("quantize", model, *options, "--rtol", "0", "--atol", "1e-9")
    assert code == 1
    assert f"the model in {kind} " in err and "nothing written" in err


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_a_net_that_ends_in_an_argmax_is_judged_by_what_that_reads(kind: str, tmp_path: Path, run: Run) -> None:
    net = Net([1, 3, 16, 16], opset=17)
    best = net.add("ArgMax", net.conv(net.conv("data", 3, 512), 512, 64), axis=1)
    model = net.model(best)
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(best, onnx.TensorProto.INT64, [1, 1, 16, 16]))
    onnx.save(model, tmp_path / "net.onnx")
    output = tmp_path / "half.onnx"
    code, out, err = run(
        "quantize", tmp_path / "net.onnx", "-o", output, "--to", kind, "--calibrate", "random", "--json"
    )
    assert code == 0, err
    result = json.loads(out)["result"]
    assert result["bytes"] < 0.6 * result["bytes_before"]
    [port] = onnx.load(output).graph.output
    assert (port.name, port.type.tensor_type.elem_type) == (best, onnx.TensorProto.INT64)


def test_a_net_that_ends_in_a_steep_sigmoid_is_judged_in_float16_by_what_that_reads(tmp_path: Path, run: Run) -> None:
    net = Net([1, 3, 16, 16], opset=17)
    steep = net.add("Mul", net.conv(net.conv("data", 3, 512), 512, 64), net.constant(np.float32(300)))
    onnx.save(net.model(net.add("Sigmoid", steep)), tmp_path / "net.onnx")
    options = ["-o", tmp_path / "half.onnx", "--to", "float16", "--calibrate", "random", "--json"]
    code, out, err = run("quantize", tmp_path / "net.onnx", *options)
    assert code == 0, err
    result = json.loads(out)["result"]
    assert result["bytes"] < 0.6 * result["bytes_before"] and result["kept_in_float"] == []
    code, out, _ = run("quantize", tmp_path / "net.onnx", *options, "--rtol", "1e-2", "--atol", "5e-2")
    assert code == 1 or json.loads(out)["result"]["kept_in_float"]


def test_a_quantized_model_is_not_quantized_again(model: Path, tmp_path: Path, run: Run) -> None:
    options = ["--calibrate", "random", "--samples", 2, "--force"]
    assert run("quantize", model, "-o", tmp_path / "int8.onnx", *options)[0] == 0
    for kind in ("int8", "float16"):
        code, _, err = run("quantize", tmp_path / "int8.onnx", "-o", tmp_path / "o.onnx", "--to", kind, *options)
        assert code == 2
        assert f"{tmp_path / 'int8.onnx'}: already quantized: it holds QuantizeLinear; expected a float32 model" in err


@pytest.mark.slow
def test_ranges_are_kept_in_a_cache_and_make_the_same_bytes(model: Path, tmp_path: Path, run: Run) -> None:
    cache, contents = tmp_path / "cache", []
    for options in (["--no-cache"], ["--cache", cache], ["--cache", cache]):
        arguments = ["-o", tmp_path / "int8.onnx", "--calibrate", "random", "--samples", 4, "--force", *options]
        code, _, err = run("quantize", model, *arguments)
        assert code == 0
        assert (f"ranges from the cache, {cache}" in err) == (len(contents) == 2)
        contents.append((tmp_path / "int8.onnx").read_bytes())
        assert cache.exists() == (len(contents) > 1)
    assert len(set(contents)) == 1
    code, _, err = run("quantize", model, "-o", tmp_path / "x.onnx", "--cache", cache, "--no-cache")
    assert code == 2 and "--cache and --no-cache exclude each other" in err


@pytest.mark.slow
def test_layers_stay_in_float_until_the_outputs_are_as_alike_as_wanted(tmp_path: Path, run: Run) -> None:
    onnx.save(fragile(), tmp_path / "net.onnx")
    options = ["--calibrate", "random", "--samples", 8, "--every-layer", "--json"]
    found = []
    for limit in ("0", "0.99", "1"):
        code, out, _ = run(
            "quantize", tmp_path / "net.onnx", "-o", tmp_path / "o.onnx", "--min-cosine", limit, *options
        )
        assert code == 0
        found.append(json.loads(out)["result"])
    loose, usual, strict = found
    assert (loose["kept_in_float"], usual["kept_in_float"]) == ([], ["fragile"])
    assert loose["cosine"] < 0.99 <= usual["cosine"]
    assert len(strict["kept_in_float"]) == 2


def test_outputs_that_cannot_be_as_alike_as_wanted_are_warned_of(tmp_path: Path, run: Run) -> None:
    onnx.save(fragile(), tmp_path / "net.onnx")
    options = ["--calibrate", "random", "--samples", 8, "--every-layer", "--min-cosine", "1"]
    code, out, _ = run("quantize", tmp_path / "net.onnx", "-o", tmp_path / "o.onnx", *options)
    assert code == 0
    assert "is below 1, and no layer in float brings it there" in out


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_refuses_options_that_it_has_no_use_for(
    kind: str, model: Path, tmp_path: Path, run: Run
) -> None:
    output = tmp_path / "half.onnx"
    options = ["--to", kind, "--format", "qdq", "--symmetric", "--keep-float", 1]
    code, _, err = run("quantize", model, "-o", output, *options)
    assert code == 2 and not output.exists()
    assert f"--keep-float, --format, --symmetric: of --to int8 only; found --to {kind}" in err


def test_a_net_of_sound_is_calibrated_on_made_up_sound_of_each_rate(tmp_path: Path, run: Run) -> None:
    onnx.save(detector({"then": fourier(64), "else": fourier(32)}), tmp_path / "sound.onnx")
    output = tmp_path / "int8.onnx"
    code, out, err = run("quantize", tmp_path / "sound.onnx", "-o", output, "--samples", 20, "--every-layer")
    assert code == 0 and "stays in float" not in err
    assert "calibrated on 40 samples of synthetic sound, which cannot be judged" in out
    assert sum(node.op_type == "QLinearConv" for node in all_nodes(onnx.load(output))) == 2
