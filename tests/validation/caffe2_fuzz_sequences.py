"""Random cases of packed segments, recurrent cells, turned regions and images of bytes."""

import numpy as np

from tests.validation.caffe2_fuzz_shapes import Case

LENGTH_TYPES = (np.int32, np.int64)


def _floats(random: np.random.RandomState, *shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(np.float32)


def packed(random: np.random.RandomState) -> Case:
    lengths = random.randint(0, 5, random.randint(0, 6)).astype(LENGTH_TYPES[random.randint(2)])
    inner = tuple(random.randint(1, 4, random.randint(0, 3)))
    if random.rand() < 0.5:
        # of no rows at all Caffe2 leaves what its memory held
        arguments = {"max_length": int(random.randint(1, 6))} if lengths.any() and random.rand() < 0.5 else {}
        return "PackSegments", arguments, [lengths, _floats(random, int(lengths.sum()), *inner)], 1
    longest = int(lengths.max(initial=0)) + random.randint(0, 2)
    return "UnpackSegments", {}, [lengths, _floats(random, len(lengths), longest, *inner)], 1


def cell(random: np.random.RandomState) -> Case:
    batch, size = random.randint(1, 5, 2)
    kind, states, gates = [("LSTMUnit", 2, 4), ("GRUUnit", 1, 3)][random.randint(2)]
    lengths, step = random.randint(0, 4, batch).astype(np.int32), random.randint(0, 4, 1).astype(np.int32)
    arguments = {"drop_states": int(random.randint(2)), "forget_bias": float(random.standard_normal())}
    arrays = [_floats(random, 1, batch, size) for _ in range(states)]
    return kind, arguments, [*arrays, 3 * _floats(random, 1, batch, gates * size), lengths, step], states


def turned_regions(random: np.random.RandomState) -> Case:
    images, channels, height, width = random.randint(1, 3), random.randint(1, 4), *random.randint(1, 12, 2)
    count = random.randint(0, 6)
    columns = [random.randint(0, images, (count, 1)), random.uniform(-5, 15, (count, 2))]
    columns += [random.uniform(0.1, 20, (count, 2)), random.uniform(-400, 400, (count, 1))]
    arguments = {
        "pooled_h": int(random.randint(1, 5)),
        "pooled_w": int(random.randint(1, 5)),
        "spatial_scale": (1.0, 0.25)[random.randint(2)],
        "sampling_ratio": (0, 1, 3)[random.randint(3)],
        "aligned": int(random.randint(2)),
    }
    rois = np.concatenate(columns, axis=1).astype(np.float32)
    return "RoIAlignRotated", arguments, [_floats(random, images, channels, height, width), rois], 1


def image_of_bytes(random: np.random.RandomState) -> Case:
    image = random.uniform(-300, 300, (random.randint(1, 3), 3, *random.randint(1, 5, 2))).astype(np.float32)
    mean = random.uniform(0, 255, 3).astype(np.float32)
    return "BRGNCHWCToPackedInt8BGRAStylizerDeprocess", {}, [image, mean], 1


def sequences_and_regions(random: np.random.RandomState) -> Case:
    """One of these kinds."""
    kinds = (packed, cell, turned_regions, image_of_bytes)
    return kinds[random.randint(len(kinds))](random)
