"""Made-up pictures of each kind are the same everywhere, and those of scenes have text in them."""

import hashlib

import numpy as np
import pytest

from zoosmith.quantize.samples.made_pictures import (
    KINDS,
    LINES,
    NATURAL,
    MadePictures,
    fitting_kinds,
    made_pictures,
    scenes,
    usual_kind,
)
from zoosmith.quantize.samples.natural_images import natural_images

SHA256 = "5ddf2414fac49f401b596873265b5393f8349b0e14ac34381a72d8679ad5000f"


def test_a_seed_gives_the_same_scenes_on_every_machine() -> None:
    content = b"".join(picture.tobytes() for picture in scenes(3, (96, 128), seed=5))
    assert hashlib.sha256(content).hexdigest() == SHA256
    [third] = scenes(1, (96, 128), seed=5, first=2)
    assert content.endswith(third.tobytes())


def test_a_part_of_a_scene_is_text() -> None:
    # those between are pages
    pairs = list(zip(scenes(8, (128, 128)), natural_images(8, (128, 128)), strict=True))[::2]
    for scene, natural in pairs:
        changed = np.any(np.asarray(scene) != np.asarray(natural), axis=2)
        assert 0.005 < changed.mean() < 0.9


@pytest.mark.parametrize("size", [(8, 8), (9, 200), (300, 20)])
def test_scenes_may_have_any_size(size: tuple[int, int]) -> None:
    assert all(picture.size == size[::-1] for picture in scenes(4, size))


def test_wide_inputs_are_of_text() -> None:
    assert usual_kind((224, 224)) == usual_kind((320, 240)) == NATURAL
    assert usual_kind((48, 320)) == LINES


def test_lines_of_text_are_made_for_wide_inputs_only():
    assert LINES in fitting_kinds((48, 320))
    assert fitting_kinds((320, 320)) == [kind for kind in KINDS if kind != LINES]


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_of_its_kind_and_number(kind: str) -> None:
    made = MadePictures((32, 32), kind=kind)
    assert made[3] is made[3]
    assert made[3].tobytes() != made[4].tobytes()
    assert made[3].tobytes() == MadePictures((32, 32), kind=kind)[3].tobytes()


def test_pictures_are_made_once_for_all_who_ask_for_them() -> None:
    once = made_pictures((32, 32), seed=5)
    assert once is made_pictures((64, 64), seed=5, kind=NATURAL)
    assert once is not made_pictures((32, 32), seed=6)
    assert made_pictures((32, 32), kind=LINES) is not made_pictures((32, 64), kind=LINES)
    assert once[2] is once[2]
    assert once[2].tobytes() == MadePictures((32, 32), seed=5)[2].tobytes()
