"""Made-up sound: the same for a seed, in pieces of any size, with loud and quiet parts."""

import hashlib

import numpy as np

from zoosmith.quantize.samples.made_sounds import MadeSound


def test_pieces_are_those_of_one_long_sound() -> None:
    whole = MadeSound(3).piece(0, 40_000)
    sound = MadeSound(3)
    pieces = [sound.piece(first, 5_000) for first in range(0, 40_000, 5_000)]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert np.array_equal(sound.piece(10_000, 20_000), whole[10_000:30_000])


def test_a_seed_gives_the_same_bytes_everywhere() -> None:
    digest = hashlib.sha256(MadeSound(0).piece(0, 100_000).tobytes()).hexdigest()
    assert digest[:16] == "8023ded5c68bc27c"
    assert not np.array_equal(MadeSound(0).piece(0, 100), MadeSound(1).piece(0, 100))


def test_it_is_loud_and_quiet_by_turns() -> None:
    sound = MadeSound(0).piece(0, 60 << 14).reshape(60, -1)
    assert sound.dtype == np.float32 and np.abs(sound).max() <= 1
    loudness = np.sqrt((sound**2).mean(axis=1))
    assert loudness.max() / loudness.min() > 20


def test_most_of_its_energy_lies_below_a_quarter_of_the_sampling_rate_as_that_of_speech_does() -> None:
    sound = MadeSound(0).piece(0, 60 << 14).astype(np.float64)
    energy = np.abs(np.fft.rfft(sound)) ** 2
    assert energy[: len(energy) // 2].sum() > 0.7 * energy.sum()
