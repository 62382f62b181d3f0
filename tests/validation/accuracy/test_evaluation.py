"""Accuracy and agreement are counted right, over any layout of the model's input, and bad input is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tests.progress import Recording
from tests.shared_data import SHARED, needs_shared
from zoosmith.execution import ProcessExecutor, local_executor
from zoosmith.validation.accuracy.evaluation import Share, evaluate
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.reading.images import ImageFolder
from zoosmith.validation.reading.preprocess import Disturbed, preprocessing

RAW = preprocessing("none")
WEIGHTS = np.random.RandomState(1).standard_normal((12, 3, 1, 1)).astype(np.float32)


def classifier(
    path: Path,
    weights: np.ndarray = WEIGHTS,
    *,
    shape: tuple[Any, ...] = (1, 3, 8, 8),
    elem_type: int = TensorProto.FLOAT,
    flat: bool = False,
    opset: int = 13,
    name: str = "picture",
) -> Path:
    """A model whose logits are a linear function of the mean colour."""
    nodes = [
        helper.make_node("GlobalAveragePool", [name], ["mean"]),
        helper.make_node("Conv", ["mean", "weights"], ["logits"]),
    ]
    if flat:
        nodes.append(helper.make_node("Flatten", ["logits"], ["flat"]))
    result = "flat" if flat else "logits"
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(name, elem_type, shape)],
        [helper.make_tensor_value_info(result, elem_type, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


COLOURS = np.random.RandomState(2).randint(0, 256, (23, 3))


@pytest.fixture
def pictures(tmp_path: Path) -> ImageFolder:
    """Pictures of one colour each, labelled by chance."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    labels = np.random.RandomState(3).randint(0, 12, len(COLOURS))
    for index, colour in enumerate(COLOURS):
        Image.new("RGB", (8, 8), tuple(colour.tolist())).save(folder / f"{index:02}.png")
    (folder / "labels.csv").write_text("".join(f"{index:02}.png,{label}\n" for index, label in enumerate(labels)))
    return ImageFolder(folder)


def expected_hits(folder: ImageFolder, weights: np.ndarray, best: int) -> int:
    logits = COLOURS @ weights[:, :, 0, 0].T.astype(np.float64)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :best]
    return sum(sample.label in row for sample, row in zip(folder, order, strict=True))


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), ("N", 3, 8, 8), (5, 3, 8, 8), (40, 3, 8, 8), ("N", "C", 8, 8)])
@pytest.mark.parametrize("flat", [True, False])
def test_hits_are_those_of_a_plain_sort(tmp_path: Path, pictures: ImageFolder, shape: tuple, flat: bool) -> None:
    progress = Recording()
    result = evaluate([classifier(tmp_path / "a.onnx", shape=shape, flat=flat)], pictures, RAW, progress=progress)
    assert (result.images, result.broken, progress.steps("images")[-1]) == (23, 0, 23)
    assert progress.told[0] == ("begin", "images", 23) and progress.told[-1] == ("end", "images", 23)
    assert result.accuracies[0].top1 == Share(expected_hits(pictures, WEIGHTS, 1), 23)
    assert result.accuracies[0].top5 == Share(expected_hits(pictures, WEIGHTS, 5), 23)
    assert 0 < result.accuracies[0].top1.hits < result.accuracies[0].top5.hits < 23


def test_a_symbolic_height_and_width_read_224(tmp_path: Path, pictures: ImageFolder) -> None:
    model = classifier(tmp_path / "a.onnx", shape=(1, 3, "H", "W"))
    assert evaluate([model], pictures, RAW).accuracies[0].top1.hits == expected_hits(pictures, WEIGHTS, 1)


def test_models_below_opset_7_are_evaluated_too(tmp_path: Path, pictures: ImageFolder) -> None:
    old, new = classifier(tmp_path / "old.onnx", opset=6), classifier(tmp_path / "new.onnx")
    (pair,) = evaluate([old, new], pictures, RAW).agreements
    assert pair.same_top1.hits == 23


def test_equal_logits_count_for_the_lower_class(tmp_path: Path, pictures: ImageFolder) -> None:
    result = evaluate([classifier(tmp_path / "a.onnx", np.zeros_like(WEIGHTS))], pictures, RAW)
    labels = [sample.label for sample in pictures]
    assert result.accuracies[0].top1.hits == sum(label == 0 for label in labels)
    assert result.accuracies[0].top5.hits == sum(label is not None and label < 5 for label in labels)


def test_agreement_is_measured_for_every_pair_in_the_first_ones_deviations(
    tmp_path: Path, pictures: ImageFolder
) -> None:
    shifted = WEIGHTS + np.float32(0.01) * np.arange(12, dtype=np.float32)[:, None, None, None]
    models = [
        classifier(tmp_path / "a.onnx", name="x"),
        classifier(tmp_path / "b.onnx", shifted, shape=(4, 3, 8, 8)),
        classifier(tmp_path / "c.onnx", -WEIGHTS),
    ]
    pairs = evaluate(models, pictures, RAW).agreements
    assert [(Path(pair.first).stem, Path(pair.second).stem) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    logits = {
        stem: COLOURS @ weights[:, :, 0, 0].T.astype(np.float64)
        for stem, weights in (("a", WEIGHTS), ("b", shifted), ("c", -WEIGHTS))
    }
    for pair in pairs:
        first, second = logits[Path(pair.first).stem], logits[Path(pair.second).stem]
        assert pair.same_top1.hits == (first.argmax(1) == second.argmax(1)).sum()
        assert pair.mean_logit_error == pytest.approx(np.abs(first - second).mean() / first.std(), rel=1e-4)
        assert pair.max_logit_error == pytest.approx(np.abs(first - second).max() / first.std(), rel=1e-4)


def test_logits_that_never_vary_have_no_error_in_deviations(tmp_path: Path, pictures: ImageFolder) -> None:
    models = [classifier(tmp_path / "a.onnx", np.zeros_like(WEIGHTS)), classifier(tmp_path / "b.onnx")]
    (pair,) = evaluate(models, pictures, RAW).agreements
    assert (pair.mean_logit_error, pair.max_logit_error) == (None, None)


def test_broken_images_are_told_left_out_and_counted(tmp_path: Path, pictures: ImageFolder) -> None:
    pictures.samples[4].path.write_bytes(b"broken")
    told: list[Path] = []
    model = classifier(tmp_path / "a.onnx", shape=(5, 3, 8, 8))
    result = evaluate([model], pictures, RAW, on_broken=lambda path, _: told.append(path))
    assert told == [pictures.samples[4].path]
    assert (result.images, result.broken, result.accuracies[0].top1.total) == (22, 1, 22)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (5, 3, 8, 8)])
def test_the_result_does_not_depend_on_who_counts(tmp_path: Path, pictures: ImageFolder, shape: tuple) -> None:
    pictures.samples[19].path.write_bytes(b"broken")
    pictures.samples *= 4
    models = [classifier(tmp_path / "a.onnx", shape=shape), classifier(tmp_path / "b.onnx", -WEIGHTS)]
    one = evaluate(models, pictures, RAW, threads=1)
    assert evaluate(models, pictures, RAW, threads=5) == one
    told: list[Path] = []
    with ProcessExecutor(2) as processes:
        apart = evaluate(models, pictures, RAW, executor=processes, on_broken=lambda path, _: told.append(path))
    assert apart == one
    assert told == [pictures.samples[19].path] * 4


@pytest.mark.parametrize("processes", [False, True])
def test_pictures_are_spread_over_the_images_with_the_best_classes_of_each_model(
    tmp_path: Path, pictures: ImageFolder, processes: bool
) -> None:
    random = np.random.RandomState(5)
    weights = [random.normal(size=(12, 3, 1, 1)).astype(np.float32) for _ in range(2)]
    models = [classifier(tmp_path / f"{name}.onnx", each) for name, each in zip("ab", weights, strict=True)]
    (pictures.path / "11.png").write_bytes(b"broken")
    with local_executor(2, processes=processes) as executor:
        found = evaluate(models, pictures, preprocessing("none"), executor=executor, pictures=4).pictures
    assert [picture.image for picture in found] == ["00.png", "05.png", "17.png"]
    for picture in found:
        assert picture.label == pictures.samples[int(picture.image[:2])].label
        for answers, each in zip(picture.answers.values(), weights, strict=True):
            logits = each[:, :, 0, 0].astype(np.float64) @ COLOURS[int(picture.image[:2])]
            assert [answer.index for answer in answers] == np.argsort(-logits, kind="stable")[:5].tolist()


def test_an_error_in_another_process_names_the_model_that_the_caller_gave(
    tmp_path: Path, pictures: ImageFolder
) -> None:
    model = classifier(tmp_path / "a.onnx", WEIGHTS * np.float32(np.nan))
    with pytest.raises(ValidationError, match=f"^{model}: gives logits"), ProcessExecutor(1) as processes:
        evaluate([model], pictures, RAW, executor=processes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"shape": (1, 8, 8, 8)},
            r"float \[1, 8, 8, 8\]; expected float \[N, 3, height, width\] or \[N, height, width, 3\]",
        ),
        ({"shape": (1, 3, 8, 0)}, "dimension of 0"),
        (
            {"elem_type": TensorProto.FLOAT16, "weights": WEIGHTS.astype(np.float16)},
            r"float16 \[1, 3, 8, 8\]; expected float",
        ),
        ({"weights": WEIGHTS[:3]}, r"label 1\d is beyond the 3 classes"),
        ({"weights": WEIGHTS * np.float32(np.nan)}, "not finite"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(
    tmp_path: Path, pictures: ImageFolder, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        evaluate([classifier(tmp_path / "a.onnx", **options)], pictures, RAW)


@pytest.mark.parametrize("grey", [False, True])
def test_channels_may_come_last_or_be_grey(tmp_path: Path, pictures: ImageFolder, grey: bool) -> None:
    weights = np.repeat(WEIGHTS.mean(axis=1, keepdims=True), 3, axis=1) if grey else WEIGHTS
    first = onnx.load(classifier(tmp_path / "a.onnx", weights))
    last = onnx.load(classifier(tmp_path / "b.onnx", weights[:, :1] * 3 if grey else weights))
    last.graph.node.insert(0, helper.make_node("Transpose", ["pixels"], ["picture"], perm=[0, 3, 1, 2]))
    del last.graph.input[:]
    shape = [1, 8, 8, 1 if grey else 3]
    last.graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape))
    wanted, found = evaluate([first], pictures, RAW), evaluate([last], pictures, RAW)
    assert found.accuracies[0].top1 == wanted.accuracies[0].top1


def test_an_output_that_is_no_row_of_logits_is_refused(tmp_path: Path, pictures: ImageFolder) -> None:
    model = onnx.load(classifier(tmp_path / "a.onnx"))
    model.graph.output[0].name = "picture_again"
    model.graph.node.append(helper.make_node("Identity", ["picture"], ["picture_again"]))
    with pytest.raises(ValidationError, match=r"first output is \[1, 3, 8, 8\]; expected \[1, classes\]"):
        evaluate([model], pictures, RAW)


def test_models_that_cannot_share_a_run_are_refused(tmp_path: Path, pictures: ImageFolder) -> None:
    first = classifier(tmp_path / "a.onnx")
    with pytest.raises(ValidationError, match=r"\(9, 9\).*\(8, 8\): evaluate them separately"):
        evaluate([first, classifier(tmp_path / "b.onnx", shape=(1, 3, 9, 9))], pictures, RAW)
    with pytest.raises(ValidationError, match="13 classes, but"):
        evaluate([first, classifier(tmp_path / "c.onnx", np.ones((13, 3, 1, 1), np.float32))], pictures, RAW)


def test_images_without_labels_are_refused(tmp_path: Path, pictures: ImageFolder) -> None:
    (pictures.path / "labels.csv").unlink()
    with pytest.raises(ValidationError, match=r"00\.png has no label"):
        evaluate([classifier(tmp_path / "a.onnx")], ImageFolder(pictures.path), RAW)


def test_a_folder_of_broken_images_is_refused(tmp_path: Path, pictures: ImageFolder) -> None:
    for sample in pictures:
        sample.path.write_bytes(b"")
    with pytest.raises(ValidationError, match="none of its 23 images"):
        evaluate([classifier(tmp_path / "a.onnx")], pictures, RAW)


def test_disturbed_pictures_are_the_same_each_time_and_differ_from_the_clean_ones(pictures: ImageFolder) -> None:
    image = Image.open(pictures.samples[0].path)
    clean = RAW(image, (8, 8))
    brighter = Disturbed(RAW, "brightened")(image, (8, 8))
    np.testing.assert_array_equal(brighter, (clean * 1.3).round().clip(0, 255))
    noised = Disturbed(RAW, "noised", 7)(image, (8, 8))
    np.testing.assert_array_equal(noised, Disturbed(RAW, "noised", 7)(image, (8, 8)))
    assert 1 < np.abs(noised - Disturbed(RAW, "noised", 8)(image, (8, 8))).mean() < 24
    with pytest.raises(ValidationError, match="brightened, darkened, noised"):
        Disturbed(RAW, "blurred")


@given(st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_holds_exactly_the_shares_that_the_score_test_keeps(counts: tuple[int, int]) -> None:
    hits, total = counts
    low, high = Share(hits, total).interval
    assert 0 <= low <= hits / total <= high <= 1
    # Wilson's ends are where |share - p| is 1.96 standard errors of p itself
    for end in {low, high} - {0.0, 1.0}:
        assert abs(hits / total - end) == pytest.approx(1.959964 * (end * (1 - end) / total) ** 0.5, rel=1e-4)


def test_the_interval_of_a_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263 gives .2553 to .3662
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)


@needs_shared
@pytest.mark.slow
def test_densenet_knows_the_images_it_was_trained_on(tmp_path: Path) -> None:
    from zoosmith.convert import caffe2_to_onnx, read_net

    folder = SHARED / "densenet121"
    model = caffe2_to_onnx(
        read_net(SHARED / "caffe2_zoo" / "densenet121" / "predict_net.pbtxt"),
        read_net(folder / "init_net.pb"),
        inputs={"data": (TensorProto.FLOAT, [1, 3, 224, 224])},
    )
    result = evaluate([model], ImageFolder(folder / "images", folder / "labels.csv"), preprocessing("caffe-densenet"))
    assert result.accuracies[0].top1.value >= 0.995
