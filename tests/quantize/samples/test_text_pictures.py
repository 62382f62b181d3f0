"""Lines of text are made by seed: ink on a ground, the same everywhere."""

import hashlib

import numpy as np

from zoosmith.quantize.samples.text_pictures import pages, text_pictures

SHA256 = "fe8651602cfa77b38041487c1961c9208e555bf9db2a9f2ec87fc3940a91ae47"


def test_a_seed_gives_the_same_pictures_on_every_machine() -> None:
    content = b"".join(picture.tobytes() for picture in text_pictures(3, (48, 192), seed=5))
    assert hashlib.sha256(content).hexdigest() == SHA256
    [third] = text_pictures(1, (48, 192), seed=5, first=2)
    assert content.endswith(third.tobytes())


def test_ink_covers_a_part_of_each_line_and_leaves_its_margins() -> None:
    for picture in text_pictures(8, (56, 224)):
        assert picture.size == (224, 56) and picture.mode == "RGB"
        grey = np.asarray(picture, np.float64).mean(axis=2)
        # what lies far from the most frequent level is ink
        middle = np.median(grey)
        ink = np.abs(grey - middle) > 0.5 * np.abs(grey - middle).max()
        assert 0.02 < ink.mean() < 0.5
        assert ink[20:36].mean() > 2 * ink[[0, 1, 2, -2, -1]].mean()


def test_pictures_differ_in_brightness_and_contrast() -> None:
    values = [np.asarray(picture, np.float64) for picture in text_pictures(16, (48, 192))]
    assert np.std([value.mean() for value in values]) > 15
    assert np.std([value.std() for value in values]) > 5


def test_a_page_has_lines_of_ink_from_top_to_bottom() -> None:
    covered = []
    for page in pages(6, (160, 160), seed=3):
        assert page.size == (160, 160)
        grey = np.asarray(page, np.float64).mean(axis=2)
        # edges of strokes are steeper than those of the faint ground
        steep = np.abs(np.diff(grey, axis=1)) > 40
        rows = steep.any(axis=1)
        covered.append(rows.mean())
        assert rows[:80].any() and rows[80:].any()
    assert 0.4 < np.mean(covered) < 0.95


def test_a_page_is_light_with_dark_ink_or_dark_with_light_ink() -> None:
    grounds = []
    for page in pages(12, (96, 96), seed=3):
        grey = np.asarray(page, np.float64).mean(axis=2)
        # of a page most is ground; ink is what lies farthest from it
        grounds.append(np.median(grey))
        ink = grey.ravel()[np.abs(grey - grounds[-1]).argmax()]
        assert (ink < grounds[-1]) == (grounds[-1] > 125)
    assert max(grounds) > 200 and min(grounds) < 70
