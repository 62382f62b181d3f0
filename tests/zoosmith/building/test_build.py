"""One build of all rows with synthetic weights, and what must be true of its files."""

import gzip
import hashlib
import json
import re
import tarfile
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import zoosmith
from tests.shared_data import SHARED, needs_shared
from tests.zoosmith.built import FOLDER, Built
from zoosmith import BuildOptions
from zoosmith.archives.bundles import validate
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.quantize import QuantizeError
from zoosmith.quantize.samples.natural_images import natural_images
from zoosmith.quantize.samples.seen_samples import refuse_seen, stated_digests
from zoosmith.recipes.densenet121 import DENSENET121, DENSENET121_NET
from zoosmith.recipes.given import model_recipe
from zoosmith.recipes.published import PublishedFile
from zoosmith.recipes.rows import RowMaker
from zoosmith.validation import ImageFolder
from zoosmith.validation.reading.preprocess import preprocessing
from zoosmith.validation.reading.unpacking import unpacked_size

SIZES = {
    "3": 32_718_955,
    "6": 32_715_083,
    "7": 32_719_461,
    "8": 32_719_461,
    "9": 32_719_461,
    "12": 32_726_877,
}
ROWS = [*SIZES, "12-int8"]
OUTPUT_OF_SET_0 = "4dfe6151c68573841841e38897e4d3155a257c434971d57f6c96c295744eaef3"


def digests(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def test_it_writes_the_files_of_the_zoos_tree_and_nothing_else(default_build: Built) -> None:
    models = [f"{FOLDER}/model/densenet-{row}.{kind}" for row in ROWS for kind in ("onnx", "tar.gz")]
    expected = {"ONNX_HUB_MANIFEST.json", "contents.json", "report.json", "report.html", f"{FOLDER}/README.md", *models}
    assert set(digests(default_build.out)) == expected


@pytest.mark.parametrize("row", SIZES)
def test_a_row_has_the_size_and_the_opset_of_its_name_and_is_valid(row: str, default_build: Built) -> None:
    content = default_build.model(row).read_bytes()
    assert len(content) == SIZES[row]
    onnx.checker.check_model(content, full_check=True)
    assert [(entry.domain, entry.version) for entry in onnx.load(default_build.model(row)).opset_import] == [
        ("", int(row))
    ]


def test_rows_7_8_and_9_differ_in_one_byte(default_build: Built) -> None:
    contents = [np.frombuffer(default_build.model(row).read_bytes(), np.uint8) for row in ("7", "8", "9")]
    for other in contents[:2]:
        assert np.count_nonzero(contents[2] != other) == 1


def test_row_12_keeps_inferred_shapes_and_lists_no_parameter_among_its_inputs(default_build: Built) -> None:
    graph = onnx.load(default_build.model("12")).graph
    assert [value.name for value in graph.input] == ["data_0"]
    assert len(graph.value_info) == len(graph.node) - 1


def test_every_check_passes_and_says_how_far_from_its_limit(default_build: Built) -> None:
    assert default_build.report.passed
    *exact, integer = default_build.report.rows
    for row in exact:
        assert len(row.checks) == 9
        assert row.same_top1
        assert row.max_scaled is not None and 0 < row.max_scaled < 1e-5
        assert row.published is None
    assert len(integer.checks) == 6
    assert integer.max_scaled is not None and 1e-3 < integer.max_scaled < 0.15
    assert integer.cosine is not None and 0.999 < integer.cosine < 1


def test_the_report_has_every_check_with_figure_and_limit(default_build: Built) -> None:
    report = json.loads((default_build.out / "report.json").read_text())
    assert report["passed"] and report["weights"] == "synthetic, seed 0"
    assert report["nets"]["predict_net.pb"]["sha256"].startswith("820772d4")
    for row in report["rows"][:-1]:
        names = [check["name"] for check in row["checks"]]
        assert names[:3] == ["declared opset", "onnx.checker with full_check", "size in bytes"]
        assert row["checks"][0]["figure"] == row["checks"][0]["limit"] == int(row["name"])
        error = row["checks"][3]
        assert error["limit"]["rtol"] == 1e-3 and error["limit"]["atol"] == 1e-5
        assert 0 < error["figure"]["max_abs"] < 1e-3 and error["figure"]["cosine"] > 1 - 1e-9


def test_the_int8_row_is_integer_from_end_to_end(default_build: Built) -> None:
    model = onnx.load(default_build.model("12-int8"))
    onnx.checker.check_model(model, full_check=True)
    operators = Counter(node.op_type for node in model.graph.node)
    assert (operators["QuantizeLinear"], operators["DequantizeLinear"]) == (2, 2)
    assert {"QLinearConv"} <= set(operators) and not {"Conv", "BatchNormalization", "Relu", "Mul"} & set(operators)
    assert [entry.domain for entry in model.opset_import] == [""]
    assert default_build.model("12-int8").stat().st_size <= 8_600_000


def test_the_report_lists_the_layers_of_the_int8_row(default_build: Built) -> None:
    (row,) = [row for row in default_build.report.rows if row.name == "12-int8"]
    nodes = onnx.load(default_build.model("12-int8")).graph.node
    integer = sum(node.op_type in ("QLinearConv", "GlobalAveragePool") for node in nodes)
    assert 121 <= len(row.layers) <= integer
    assert all(layer.snr_db is not None and layer.snr_db > 10 and layer.clipped < 0.05 for layer in row.layers)
    assert not any(other.layers for other in default_build.report.rows if other is not row)


@pytest.mark.parametrize("row", ["3", "9", "12", "12-int8"])
def test_an_archive_holds_its_model_and_validates(row: str, default_build: Built) -> None:
    with tarfile.open(default_build.archive(row)) as tar:
        packed = tar.extractfile(f"densenet-{row}/model.onnx")
        assert packed is not None and packed.read() == default_build.model(row).read_bytes()
        assert len(tar.getnames()) == 1 + 3 * 3
    comparisons = validate(default_build.archive(row))
    assert len(comparisons) == 3
    assert all(comparison.passed for comparison in comparisons.values())


def test_reference_outputs_are_the_same_on_every_machine(default_build: Built) -> None:
    with tarfile.open(default_build.archive("9")) as tar:
        file = tar.extractfile("densenet-9/test_data_set_0/output_0.pb")
        assert file is not None
        output = onnx.numpy_helper.to_array(onnx.TensorProto.FromString(file.read()))
    assert output.shape == (1, 1000, 1, 1)
    assert 1 < output.std() < 20
    assert hashlib.sha256(output.tobytes()).hexdigest() == OUTPUT_OF_SET_0


@pytest.mark.slow
def test_another_number_of_threads_gives_the_same_files(default_build: Built, tmp_path: Path) -> None:
    zoosmith.build(tmp_path, options=BuildOptions(rows="3,12,12-int8", jobs=1))
    again = digests(tmp_path)
    texts = {"report.json", "report.html", "ONNX_HUB_MANIFEST.json", "contents.json", f"{FOLDER}/README.md"}
    assert {name: digest for name, digest in again.items() if name not in texts} == {
        name: digest for name, digest in digests(default_build.out).items() if name in again and name not in texts
    }


def test_the_manifest_is_measured_from_the_files(default_build: Built) -> None:
    entries = json.loads((default_build.out / "ONNX_HUB_MANIFEST.json").read_text())
    assert [entry["model_path"] for entry in entries] == sorted(entry["model_path"] for entry in entries)
    assert {entry["opset_version"] for entry in entries} == set(map(int, SIZES))
    assert len(entries) == len(ROWS)
    for entry in entries:
        metadata = entry["metadata"]
        for path, size, sha in (
            (entry["model_path"], metadata["model_bytes"], metadata["model_sha"]),
            (
                metadata["model_with_data_path"],
                metadata["model_with_data_bytes"],
                metadata["model_with_data_sha"],
            ),
        ):
            content = (default_build.out / path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (size, sha)
        unpacked = gzip.decompress((default_build.out / metadata["model_with_data_path"]).read_bytes())
        assert hashlib.sha256(unpacked).hexdigest() == metadata["model_with_data_tar_sha"]
        assert len(unpacked) == metadata["model_with_data_tar_bytes"]
        assert metadata["io_ports"] == {
            "inputs": [{"name": "data_0", "shape": [1, 3, 224, 224], "type": "tensor(float)"}],
            "outputs": [{"name": "fc6_1", "shape": [1, 1000, 1, 1], "type": "tensor(float)"}],
        }


@needs_shared
def test_the_manifest_has_the_fields_of_the_published_one(default_build: Built) -> None:
    published, ours = (
        {entry["model_path"]: entry for entry in json.loads(path.read_text())}
        for path in (
            SHARED / "facts" / "densenet121_hub_manifest.json",
            default_build.out / "ONNX_HUB_MANIFEST.json",
        )
    )
    for path, entry in ours.items():
        # some of the published entries lack ports
        assert list(entry) == list(published[path])
        assert set(entry["metadata"]) >= set(published[path]["metadata"])
        for field in ("model", "model_path", "onnx_version", "opset_version"):
            assert entry[field] == published[path][field]
        for field, value in published[path]["metadata"].items():
            if field not in ("model_sha", "model_bytes", "model_with_data_sha", "model_with_data_bytes"):
                assert entry["metadata"][field] == value


def test_the_card_has_the_published_sections_and_measured_sizes(default_build: Built) -> None:
    headings = re.findall(r"^#+ (.*)$", default_build.card, re.MULTILINE)
    assert headings == [
        "DenseNet-121",
        "Description",
        "Paper",
        "Dataset",
        "Source",
        "Model input and output",
        "Input",
        "Output",
        "Pre-processing steps",
        "Post-processing steps",
        "Sample test data",
        "Results/accuracy on test set",
        "Quantization",
        "Environment",
        "Prepare model",
        "Model quantize",
        "References",
        "Contributors",
        "License",
    ]
    for row in SIZES:
        megabytes = unpacked_size(default_build.archive(row)) / 1e6
        assert (
            f"[32.7 MB](model/densenet-{row}.onnx)|[{megabytes:.1f} MB unpacked](model/densenet-{row}.tar.gz)"
            in default_build.card
        )
    assert default_build.card.count("|synthetic, seed 0|\n") == len(ROWS)
    assert "Top-1 accuracy" not in default_build.card


def test_the_cards_code_does_what_the_card_says(default_build: Built, tmp_path: Path) -> None:
    code: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", default_build.card, re.DOTALL):
        exec(block, code)
    picture = Image.fromarray(np.random.RandomState(0).randint(0, 256, (300, 411, 3)).astype(np.uint8))
    picture.save(tmp_path / "picture.png")
    np.testing.assert_array_equal(
        code["preprocess"](tmp_path / "picture.png")[0], preprocessing("caffe-densenet")(picture, (224, 224))
    )
    logits = np.arange(1000, dtype=np.float32).reshape(1, 1000, 1, 1) / 100
    best = code["postprocess"](logits)
    assert [label for label, _ in best] == [999, 998, 997, 996, 995]
    assert best[0][1] == pytest.approx(1 - np.exp(-0.01), rel=1e-3)


def test_the_files_name_no_machine_and_no_time(default_build: Built) -> None:
    for name in ("ONNX_HUB_MANIFEST.json", "contents.json", "report.json", f"{FOLDER}/README.md"):
        text = (default_build.out / name).read_text()
        assert str(default_build.out) not in text
        assert not re.search(r"\b20[23]\d-\d\d", text)


@pytest.mark.parametrize("row", ["3", "9", "12"])
def test_the_weights_of_a_row_give_the_rows_back(row: str, default_build: Built, tmp_path: Path) -> None:
    report = zoosmith.build(tmp_path, options=BuildOptions(weights=default_build.model(row), rows="9", sets=1))
    assert report.passed and report.weights.startswith("given, init net f22365da")
    assert (tmp_path / FOLDER / "model" / "densenet-9.onnx").read_bytes() == default_build.model("9").read_bytes()


def test_with_the_published_weights_every_row_is_compared_with_the_published_one(
    default_build: Built, tmp_path: Path
) -> None:
    sha256 = {row.name: row.model.sha256 for row in default_build.report.written if row.model is not None}
    facts = default_build.report.nets["init_net.pb"]
    net = replace(DENSENET121_NET, published_init_net=PublishedFile(facts["bytes"], facts["sha256"]))
    row = DENSENET121.rows["9"]
    assert row.published is not None
    published = replace(row.published, model=PublishedFile(row.published.model.size, sha256["9"]))
    rows = {**DENSENET121.rows, "9": replace(row, published=published)}
    recipe = replace(DENSENET121, open_source=net.open, rows=rows)
    report = zoosmith.build(tmp_path, recipe, BuildOptions(weights=default_build.model("9"), rows="9,6,8", sets=1))
    assert report.weights == "published"
    assert [row.published for row in report.rows] == [
        "match",
        "differs: the published densenet-6.onnx is the file of opset 9 under another name",
        "differs",
    ]
    assert "densenet-9 match; densenet-6 differs" in (tmp_path / FOLDER / "README.md").read_text()


def test_a_wrong_row_fails_and_is_named(tmp_path: Path) -> None:
    def wrong(maker: RowMaker) -> onnx.ModelProto:
        model = maker.model(9)
        next(tensor for tensor in model.graph.initializer if tensor.name == "fc6_b_0").raw_data = bytes(4000)
        return model

    rows = {**DENSENET121.rows, "8": replace(DENSENET121.rows["8"], make=wrong)}
    report = zoosmith.build(tmp_path, replace(DENSENET121, rows=rows), BuildOptions(rows="8", sets=1))
    assert not report.passed
    failed = {check.name for check in report.rows[0].checks if not check.passed}
    assert {"declared opset", "data set 0: error"} <= failed
    assert "**Checks failed** for 8" in (tmp_path / FOLDER / "README.md").read_text()


def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "model").mkdir(parents=True)
    leftovers = [
        tmp_path / FOLDER / "model" / ".densenet-9.onnx.0123456789abcdef.partial",
        tmp_path / FOLDER / ".README.md.0123456789abcdef.partial",
        tmp_path / ".report.json.0123456789abcdef.partial",
    ]
    another = tmp_path / ".download.partial"
    for path in [*leftovers, another]:
        path.touch()
    zoosmith.build(tmp_path, options=BuildOptions(rows="9", sets=1))
    assert [path.exists() for path in leftovers] == [False] * 3
    assert another.exists()


@pytest.mark.parametrize("arguments", [{"sets": 0}, {"seed": -1}, {"seed": 2**32}, {"jobs": 0}, {"reference": "x"}])
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError, match="expected"):
        zoosmith.build(tmp_path, options=BuildOptions(**arguments))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", ["5,x,99", "x,99", "99,x"])
def test_unknown_rows_are_refused_with_those_there_are(rows: str, tmp_path: Path) -> None:
    with pytest.raises(
        ZoosmithError, match=r"no row '.*'; the rows are 3, 6, 7, 8, 9, 12, 12-int8, 12-opt, .*and there is one"
    ):
        zoosmith.build(tmp_path, options=BuildOptions(rows=rows))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("9", ["9"]),
        (" 12, 3 ,12", ["12", "3"]),
        ("5-9", ["5", "6", "7", "8", "9"]),
        ("1-3,12", ["1", "2", "3", "12"]),
        ("28", ["28"]),
        ("12-int8,11-12", ["12-int8", "11", "12"]),
    ],
)
def test_rows_are_named_by_opset_range_or_both(text: str, names: list[str]) -> None:
    rows = DENSENET121.select_rows(text)
    assert [row.name for row in rows] == names
    assert [row.opset for row in rows] == [int(name.partition("-")[0]) for name in names]


@pytest.mark.parametrize("text", ["", "9-3", "0", "1-99", "3-", "-3", "9,,12", "\u0663"])
def test_what_names_no_row_is_refused(text: str) -> None:
    with pytest.raises(ZoosmithError, match="no row"):
        DENSENET121.select_rows(text)


def test_opsets_that_the_zoo_does_not_publish_are_built_too(tmp_path: Path) -> None:
    report = zoosmith.build(tmp_path, options=BuildOptions(rows="2,5,14", sets=1))
    assert report.passed
    assert "does not publish (2, 5, 14) are converted" in (tmp_path / FOLDER / "README.md").read_text()
    assert [(row.title, row.onnx_version, row.opset) for row in report.rows] == [
        ("DenseNet-121-2", "1.1", 2),
        ("DenseNet-121-5", "1.1", 5),
        ("DenseNet-121-14", "1.9", 14),
    ]


def test_the_optimized_row_computes_the_same_with_fewer_nodes(default_build: Built, tmp_path: Path) -> None:
    report = zoosmith.build(tmp_path, options=BuildOptions(rows="12-opt", sets=1))
    assert report.passed
    optimized = onnx.load(tmp_path / FOLDER / "model" / "densenet-12-opt.onnx")
    assert len(optimized.graph.node) < len(onnx.load(default_build.model("12")).graph.node) / 2


@pytest.mark.slow
def test_a_row_in_float16_is_made_on_request(default_build: Built, tmp_path: Path) -> None:
    report = zoosmith.build(tmp_path, options=BuildOptions(rows="12-fp16", sets=1))
    assert report.passed
    (row,) = report.rows
    assert row.model is not None and row.model.size < 0.52 * default_build.model("12").stat().st_size
    assert row.cosine is not None and row.cosine > 0.9999
    assert row.layers


@pytest.mark.slow
def test_given_images_calibrate_the_int8_row_and_fill_the_accuracy_column(default_build: Built, tmp_path: Path) -> None:
    images = tmp_path / "pictures"
    images.mkdir()
    for index, picture in enumerate(natural_images(3)):
        picture.save(images / f"{index}.png")
    (images / "labels.csv").write_text("name,label\n0.png,1\n1.png,2\n2.png,3\n")
    with pytest.raises(ZoosmithError, match="synthetic weights classify nothing"):
        zoosmith.build(tmp_path / "out", options=BuildOptions(data=images))
    weights = default_build.model("9")
    with pytest.raises(ZoosmithError, match="no-such-folder: does not exist"):
        zoosmith.build(tmp_path / "out", options=BuildOptions(weights=weights, calibrate=Path("no-such-folder")))
    assert not (tmp_path / "out").exists()
    with pytest.raises(ZoosmithError, match=r"pictures: 3 of its 3 images were calibrated on, 0\.png first"):
        options = BuildOptions(weights=weights, rows="3,12-int8", sets=1, calibrate=images, data=images)
        zoosmith.build(tmp_path / "out", options=options)
    others = tmp_path / "others"
    others.mkdir()
    for index, picture in enumerate(natural_images(3, first=3)):
        picture.save(others / f"{index}.png")
    (others / "broken.png").write_bytes(b"broken")
    report = zoosmith.build(
        tmp_path / "out", options=BuildOptions(weights=weights, rows="3,12-int8", sets=1, calibrate=others, data=images)
    )
    assert report.passed and report.accuracy is not None
    assert list(report.accuracy.top1) == ["12-int8"] and report.accuracy.images == 3
    row = onnx.load(tmp_path / "out" / FOLDER / "model/densenet-12-int8.onnx")
    assert len(stated_digests(row)) == 3
    with pytest.raises(QuantizeError, match="others: 3 of its 4 images were calibrated on"):
        refuse_seen(row, stated_digests(row), ImageFolder(others), preprocessing("torchvision"))
    # rows that are made of it state it, too
    recipe = model_recipe(tmp_path / "out" / FOLDER / "model/densenet-12-int8.onnx")
    zoosmith.build(tmp_path / "raised", recipe, BuildOptions(rows="13", sets=1))
    assert stated_digests(onnx.load(next((tmp_path / "raised").rglob("*.onnx")))) == stated_digests(row)
    card = (tmp_path / "out" / FOLDER / "README.md").read_text()
    assert "|Top-1 on pictures (%)|" in card and "Top-1 accuracy" not in card
    hits = report.accuracy.top1["12-int8"].hits
    assert f"|densenet-12-int8|{hits} of 3, " in card
    words = " ".join(card.split())
    assert "Measured on the 3 images of pictures: how many were right" in words
    left_out = "(1 that cannot be read left out: broken.png)"
    assert f"Ranges were calibrated on 3 samples of others {left_out}. On them the activations have means 0." in words
    assert "accuracy on real data was not measured" not in words
    share = report.accuracy.top1["12-int8"].value
    assert f"|12|{report.weights}|{100 * share:.2f}|" in card and f"|3|{report.weights}||" in card


def test_the_int8_row_is_calibrated_and_checked_on_different_pictures_and_the_card_says_what_they_are(
    default_build: Built,
) -> None:
    found = default_build.report.calibration
    assert found is not None and found.made_up and found.distance is not None
    assert found.samples == "64 made-up pictures of natural statistics"
    assert found.distance.layers == 121 and not found.distance.far
    check = default_build.report.rows[-1].checks[-1]
    assert (check.name, check.passed) == ("calibration samples like the training data", True)
    assert check.figure == asdict(found.distance)
    card = " ".join(default_build.card.split())
    assert f"On them the activations have {found.distance}" in card
    assert "was checked on made-up pictures of natural statistics only, others than those that it was" in card


@pytest.mark.slow
def test_samples_far_from_the_training_data_are_refused_before_anything_is_written(
    default_build: Built, tmp_path: Path
) -> None:
    noise = np.random.RandomState(0).randint(0, 256, (4, 3, 224, 224))
    np.savez(tmp_path / "noise.npz", data_0=((noise - 114) * 0.017).astype(np.float32))
    options = BuildOptions(weights=default_build.model("9"), rows="9,12-int8", sets=1, calibrate=tmp_path / "noise.npz")
    with pytest.raises(ZoosmithError, match=r"noise\.npz: calibration samples unlike the training data: means"):
        zoosmith.build(tmp_path / "out", options=options)
    assert not (tmp_path / "out").exists()
    report = zoosmith.build(tmp_path / "out", options=replace(options, force=True))
    assert report.calibration is not None and report.calibration.distance is not None
    assert report.calibration.distance.far
    failed = [check.name for check in report.rows[1].checks if not check.passed]
    assert "calibration samples like the training data" in failed
    assert "**Checks failed** for 12-int8" in (tmp_path / "out" / FOLDER / "README.md").read_text()
