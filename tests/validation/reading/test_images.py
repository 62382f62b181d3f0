"""Folders of images are read lazily, with their labels, and broken files do not stop them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoosmith.execution import ThreadExecutor
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.reading.images import ImageFolder, Sample, load_images, read_labels
from zoosmith.validation.reading.preprocess import preprocessing

RAW = preprocessing("none")


def picture(path: Path, level: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (level, level, level)).save(path)
    return path


def labels_of(folder: ImageFolder) -> dict[str, int | None]:
    return {sample.path.name: sample.label for sample in folder}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for level, name in enumerate(["cat/a.png", "cat/b.JPEG", "ant/c.png", "dog/deep/d.bmp"]):
        picture(tmp_path / "data" / name, level)
    (tmp_path / "data" / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "data" / ".thumbnails").mkdir()
    picture(tmp_path / "data" / ".thumbnails" / "x.png")
    return tmp_path / "data"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    for level in range(10):
        picture(tmp_path / "flat" / f"{level}.png", level)
    return tmp_path / "flat"


def test_class_folders_are_numbered_in_sorted_order(tree: Path) -> None:
    assert labels_of(ImageFolder(tree)) == {"c.png": 0, "a.png": 1, "b.JPEG": 1, "d.bmp": 2}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("synset.txt", "dog n02, hound\nant the insect\ncat a feline\n"),
        ("classes.csv", "folder,label\ndog,0\nant,1\ncat,2\n"),
        ("classes.txt", "ant 1\ncat 2\ndog 0\n"),
        ("files.csv", '"cat/a.png",2\ncat/b.JPEG,2\nc.png,1\n\ndog/deep/d.bmp,0\n'),
    ],
)
def test_a_labels_file_overrides_the_numbering(tree: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert labels_of(ImageFolder(tree, tmp_path / name)) == {"c.png": 1, "a.png": 2, "b.JPEG": 2, "d.bmp": 0}


def test_a_flat_folder_has_no_labels_unless_a_file_gives_them(flat: Path) -> None:
    assert set(labels_of(ImageFolder(flat)).values()) == {None}
    (flat / "labels.csv").write_text("file,label\n" + "".join(f"{n}.png,{n + 5}\n" for n in range(10)))
    assert labels_of(ImageFolder(flat)) == {f"{n}.png": n + 5 for n in range(10)}


def test_the_limit_is_spread_over_the_whole_folder(flat: Path) -> None:
    assert list(labels_of(ImageFolder(flat, limit=5))) == ["0.png", "2.png", "4.png", "6.png", "8.png"]
    assert len(ImageFolder(flat, limit=3)) == 3
    assert len(ImageFolder(flat, limit=99)) == 10


def test_arrays_come_in_order_and_agree_with_the_files(flat: Path) -> None:
    with ThreadExecutor(3) as executor:
        arrays = list(ImageFolder(flat).arrays(RAW, (7, 7), executor=executor))
    levels = [(sample.path.stem, array[0, 0, 0]) for sample, array in arrays]
    assert levels == [(str(n), n) for n in range(10)]


def test_reading_is_lazy(flat: Path) -> None:
    for n in range(10, 60):
        picture(flat / f"{n}.png", n)
    folder = ImageFolder(flat)
    stream = folder.arrays(RAW, (7, 7))
    next(stream)
    folder.samples[-1].path.unlink()
    with pytest.raises(ValidationError, match=folder.samples[-1].path.name):
        list(stream)


@pytest.mark.parametrize("content", [b"", b"no image", "truncated"])
def test_a_broken_image_is_told_and_skipped_or_raises(flat: Path, content: bytes | str) -> None:
    if isinstance(content, str):
        noise = np.random.RandomState(0).randint(0, 256, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(noise).save(flat / "3.png")
        content = (flat / "3.png").read_bytes()[:3000]
    (flat / "3.png").write_bytes(content)
    told: list[tuple[Path, str]] = []
    folder = ImageFolder(flat)
    read = [sample for sample, _ in folder.arrays(RAW, (7, 7), on_broken=lambda *broken: told.append(broken))]
    assert [sample.path.stem for sample in read] == ["0", "1", "2", "4", "5", "6", "7", "8", "9"]
    assert [path.name for path, _ in told] == ["3.png"]
    assert "image" in told[0][1]
    with pytest.raises(ValidationError, match=r"3\.png: .*image"):
        list(folder.arrays(RAW, (7, 7)))


def test_load_images_stacks_what_can_be_read(flat: Path) -> None:
    (flat / "0.png").write_bytes(b"")
    images = load_images(ImageFolder(flat), RAW, (4, 6), on_broken=lambda *_: None)
    assert images.shape == (9, 3, 4, 6)
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(1, 10))


def test_load_images_refuses_a_folder_without_a_readable_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(ValidationError, match="none of its 1 images"):
        load_images(ImageFolder(tmp_path), RAW, (4, 4), on_broken=lambda *_: None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.png,-1\n", r"labels.csv:1: label '-1' of 0.png is not a class index"),
        ("0.png,1\n0.png,2\n", "labels.csv:2: 0.png has two labels, 1 and 2"),
        ("file,label\n0.png\n", "labels.csv:2: expected name,label"),
        ("0.png,cat\n0.png,cat\n", "labels.csv:2: label 'cat'"),
        ("", "holds no labels"),
    ],
)
def test_a_bad_labels_file_is_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValidationError, match=message):
        read_labels(tmp_path / "labels.csv")


def test_labels_that_are_missing_or_no_text_are_refused(flat: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"nowhere\.csv: cannot be read: No such file"):
        ImageFolder(flat, tmp_path / "nowhere.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValidationError, match="expected labels in UTF-8"):
        ImageFolder(flat, tmp_path / "bytes.csv")
    (tmp_path / "part.csv").write_text("0.png,3\n")
    with pytest.raises(ValidationError, match=r"no label for 1.png \(9 of 10 images lack one\)"):
        ImageFolder(flat, tmp_path / "part.csv")


def test_folders_that_are_no_data_set_are_refused(flat: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="not a folder"):
        ImageFolder(flat / "0.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValidationError, match="no images"):
        ImageFolder(tmp_path / "empty")
    with pytest.raises(ValidationError, match="at least 1"):
        ImageFolder(flat, limit=0)
    picture(flat / "cat" / "x.png")
    with pytest.raises(ValidationError, match="keep one layout"):
        ImageFolder(flat)


def test_a_link_to_a_parent_does_not_end_in_a_loop(tree: Path) -> None:
    (tree / "cat" / "up").symlink_to(tree, target_is_directory=True)
    assert len(ImageFolder(tree)) == 4


def test_samples_are_values(tmp_path: Path) -> None:
    assert Sample(tmp_path, 1) == Sample(tmp_path, 1)
