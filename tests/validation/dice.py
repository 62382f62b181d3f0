"""Seeded random choices for generators of random nets."""

import numpy as np


class Dice:
    """A RandomState with the choices that generators need."""

    def __init__(self, random):
        self.random = random

    def upto(self, low, high):
        return int(self.random.randint(low, high + 1))

    def chance(self, probability):
        return self.random.rand() < probability

    def pick(self, *choices):
        return choices[self.random.randint(len(choices))]

    def word(self, words):
        return self.pick(*words.split())

    def shape(self, low=1, high=4, size=4):
        return tuple(self.upto(1, size) for _ in range(self.upto(low, high)))

    def floats(self, *shape):
        return np.asarray(self.random.randn(*shape)).astype(np.float32)

    def array(self, shape, dtype):
        if dtype == "bool":
            return np.asarray(self.random.rand(*shape) > 0.5)
        if dtype.startswith("int"):
            return np.asarray(self.random.randint(-9, 10, shape)).astype(dtype)
        return np.asarray(self.random.randn(*shape)).astype(dtype)

    def number(self):
        return self.pick("float32", "float32", "int32", "int64")

    def some(self, probability=0.6, **arguments):
        return {name: value for name, value in arguments.items() if self.chance(probability)}
