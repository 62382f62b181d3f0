"""Images become exactly the numbers that the convention names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zoosmith.validation.errors import ValidationError
from zoosmith.validation.reading.preprocess import PREPROCESSINGS, preprocessing

RNG = np.random.RandomState(0)
PICTURE = RNG.randint(0, 256, (256, 256, 3)).astype(np.uint8)
CROP = PICTURE[16:240, 16:240]


def by_the_book(name: str) -> np.ndarray:
    """Each convention written out as its authors do, in float64, on the 224 x 224 centre."""
    rgb = CROP.astype(np.float64)
    values = {
        "caffe-densenet": lambda: (rgb[..., ::-1] - [103.94, 116.78, 123.68]) * 0.017,
        "caffe": lambda: rgb[..., ::-1] - [103.939, 116.779, 123.68],
        "torchvision": lambda: (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "tensorflow": lambda: rgb / 127.5 - 1,
        "unit": lambda: rgb / 255,
        "none": lambda: rgb,
    }[name]()
    return values.transpose(2, 0, 1)


@pytest.mark.parametrize("name", list(PREPROCESSINGS))
def test_every_convention_gives_the_values_of_its_formula(name: str) -> None:
    array = preprocessing(name)(Image.fromarray(PICTURE), (224, 224))
    assert array.dtype == np.float32
    assert array.shape == (3, 224, 224)
    np.testing.assert_allclose(array, by_the_book(name), rtol=1e-6, atol=1e-6)


def test_an_image_of_the_short_side_wanted_is_not_resampled() -> None:
    array = preprocessing("none")(Image.fromarray(PICTURE), (224, 224))
    np.testing.assert_array_equal(array, CROP.transpose(2, 0, 1))


@given(
    size=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    picture=st.tuples(st.integers(1, 200), st.integers(1, 200)),
)
def test_any_picture_gives_the_size_asked_for(size: tuple[int, int], picture: tuple[int, int]) -> None:
    array = preprocessing("none")(Image.new("RGB", picture, (10, 20, 30)), size)
    assert array.shape == (3, *size)
    # one flat colour stays itself: a crop that reached over the edge would bring in black
    assert {tuple(array[:, y, x]) for y in (0, -1) for x in (0, -1)} == {(10.0, 20.0, 30.0)}


@pytest.mark.parametrize("shape", [(512, 256), (256, 512)])
def test_the_crop_is_the_middle_of_the_longer_side(shape: tuple[int, int]) -> None:
    picture = np.zeros((*shape, 3), np.uint8)
    height, width = shape
    picture[height // 2 - 20 : height // 2 + 20, width // 2 - 20 : width // 2 + 20] = 255
    array = preprocessing("none")(Image.fromarray(picture), (224, 224))
    rows, columns = np.nonzero(array[0])
    assert (rows.mean(), columns.mean()) == (111.5, 111.5)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "LA", "1"])
def test_other_8_bit_modes_are_read_as_rgb(mode: str) -> None:
    image = Image.new("RGB", (40, 40), (255, 255, 255)).convert(mode)
    np.testing.assert_array_equal(preprocessing("none")(image, (32, 32)), np.full((3, 32, 32), 255, np.float32))


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_are_refused(mode: str) -> None:
    with pytest.raises(ValidationError, match="8 bits a channel"):
        preprocessing("none")(Image.new(mode, (40, 40)), (32, 32))


def test_a_strip_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(ValidationError, match="too elongated"):
        preprocessing("none")(Image.new("RGB", (500_000, 1)), (224, 224))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValidationError, match=r"'imagenet'.*caffe-densenet.*torchvision"):
        preprocessing("imagenet")


def test_the_description_says_each_step_in_words() -> None:
    assert preprocessing("caffe-densenet").describe() == (
        "Decode to 8-bit RGB, resize (bilinear, antialiased) so that the shorter side is 256 pixels, cut the 224 x 224 "
        "centre, order the channels B, G, R, subtract [103.94, 116.78, 123.68] by channel, multiply by 0.017, lay out "
        "as float32 [N, 3, 224, 224]."
    )
    assert "342 pixels" in preprocessing("torchvision").describe((299, 299))
    assert "multiply" not in preprocessing("tensorflow").describe()
