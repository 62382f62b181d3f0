"""Made-up sound with the statistics of speech, by seed: for nets that read a signal and come without samples of it.

It is made as the source-filter model has it (Fant, "Acoustic theory of speech production", 1960): pulses of a moving
pitch, or noise, go through three resonances; such sounds follow each other with pauses between, of loud and quiet
speakers in more or less noise. silero-vad calls 63 % of it speech. Only operations that IEEE 754 rounds exactly are
used, so that a seed gives the same bytes on every machine; resonances are chosen by the cosine of their angle.
"""

import numpy as np

from zoosmith.onnx_model.constants import Array

# values that one speaker says: 1 s at 16 kHz
_TURN = 1 << 14
# values of one sound: 40 to 200 ms at 16 kHz
_SHORTEST, _LONGEST = 640, 3200
# shares of the sounds
_PAUSES, _HISSING = 0.3, 0.2
# of a vowel's largest value
_HISS_LEVEL = 0.25
# values between two pulses, 60 to 300 Hz at 16 kHz, and what they change by from one to the next
_PITCHES = (53, 266)
_GLIDE = (0.99, 1.01)
# cosines of the angles of the resonances, of vowels and of hissing, and their radii
_VOWEL = ((0.93, 0.99), (0.6, 0.93), (0.2, 0.6))
_HISS = ((-0.6, 0.3), (-0.9, -0.3), (-0.9, 0.3))
_RADII = (0.93, 0.99)
# negative powers of two: of a speaker's largest value, of the noise around
_LOUD, _NOISE = (0.0, 6.0), (6.0, 14.0)


class MadeSound:
    """One long sound, of which pieces are made when they are asked for.

    Args:
        seed: chooses it.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._last: tuple[int, Array] | None = None

    def piece(self, first: int, count: int) -> Array:
        """Float32 of shape (count,) between -1 and 1: the values from number `first` on."""
        numbers = range(first // _TURN, -(-(first + count) // _TURN))
        start = first - numbers.start * _TURN
        return np.concatenate([self._turn(number) for number in numbers])[start : start + count]

    def _turn(self, number: int) -> Array:
        if self._last is None or self._last[0] != number:
            self._last = number, _turn(np.random.RandomState([self._seed, number]))
        return self._last[1]


def _turn(random: np.random.RandomState) -> Array:
    """What one speaker says."""
    loudness, noise = _level(random, _LOUD), _level(random, _NOISE)
    pitch = random.uniform(*_PITCHES)
    result = noise * random.uniform(-1, 1, _TURN)
    place = 0
    while place < _TURN:
        count = min(random.randint(_SHORTEST, _LONGEST), _TURN - place)
        if random.uniform() >= _PAUSES:
            result[place : place + count] += loudness * random.uniform(0.3, 1) * _sound(random, count, pitch)
        place += count
    return np.clip(result, -1, 1).astype(np.float32)


def _level(random: np.random.RandomState, powers: tuple[float, float]) -> float:
    """Spread evenly over powers of two, and between each and the next one."""
    return float(np.ldexp(random.uniform(1, 2), -int(random.uniform(*powers)) - 1))


def _sound(random: np.random.RandomState, count: int, pitch: float) -> Array:
    """A vowel, of the largest value 1, or a hiss; both swell and fade."""
    hisses = random.uniform() < _HISSING
    values = random.uniform(-1, 1, count) * (1.0 if hisses else 0.02)
    if not hisses:
        place, glide = 0.0, random.uniform(*_GLIDE)
        while place < count:
            values[int(place)] += 1
            place += pitch
            pitch *= glide
    for cosine in _HISS if hisses else _VOWEL:
        values = _resonance(values, random.uniform(*cosine), random.uniform(*_RADII))
    time = np.arange(count) / count
    values = values * (time * (1 - time))
    return np.asarray(values * ((_HISS_LEVEL if hisses else 1.0) / (np.abs(values).max() or 1.0)))


def _resonance(values: Array, cosine: float, radius: float) -> Array:
    """A filter of two poles, at this radius and an angle of this cosine."""
    first, second = 2 * radius * cosine, radius * radius
    result, last, before = [], 0.0, 0.0
    for value in values.tolist():
        last, before = value + first * last - second * before, last
        result.append(last)
    return np.array(result)
