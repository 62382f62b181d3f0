"""Made-up pictures have what photographs have in common, and are the same on every machine."""

import hashlib

import numpy as np

from zoosmith.quantize.samples.natural_images import natural_images


def pixels(count: int, seed: int = 0) -> list[np.ndarray]:
    return [np.asarray(image, np.float64) for image in natural_images(count, (128, 128), seed=seed)]


def test_a_seed_gives_the_same_bytes_whatever_the_count() -> None:
    first, *_ = natural_images(2, (64, 48), seed=7)
    [again] = natural_images(1, (64, 48), seed=7)
    assert (first.size, first.mode) == ((48, 64), "RGB")
    assert first.tobytes() == again.tobytes()
    # not a value to aim at: it holds the bytes still across machines and versions of numpy
    assert (
        hashlib.sha256(first.tobytes()).hexdigest()
        == "c32200fc24ba46e20f48a6ac6443e2af25536f8d0328c6142d0205d9c78df5ef"
    )


def test_pictures_are_numbered() -> None:
    *_, third = natural_images(3, (64, 48))
    [again] = natural_images(1, (64, 48), first=2)
    assert third.tobytes() == again.tobytes()


def test_pictures_and_seeds_differ() -> None:
    assert len({picture.tobytes() for picture in [*pixels(3), *pixels(3, seed=1)]}) == 6


def test_power_falls_with_frequency_as_in_photographs() -> None:
    slopes = []
    for picture in pixels(8):
        grey = picture.mean(axis=2)
        power = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(np.hanning(128), np.hanning(128)))) ** 2
        frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None, :])
        bands = [(low, 2 * low) for low in (1 / 64, 1 / 32, 1 / 16, 1 / 8)]
        means = [power[(frequency >= low) & (frequency < high)].mean() for low, high in bands]
        slopes.append(np.polyfit(np.log([low for low, _ in bands]), np.log(means), 1)[0])
    # photographs are at -2 or a little below; noise without structure at 0
    assert -3 < np.mean(slopes) < -1.5


def test_colours_are_correlated_and_brightness_and_contrast_vary() -> None:
    pictures = pixels(12)
    correlations = [np.corrcoef(picture.reshape(-1, 3).T) for picture in pictures]
    assert np.mean([one[0, 2] for one in correlations]) > 0.7
    assert np.std([picture.mean() for picture in pictures]) > 10
    assert np.std([picture.std() for picture in pictures]) > 5
