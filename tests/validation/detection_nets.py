"""Random nets of one detection operator each, with the arguments that change what it finds."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from tests.validation.caffe2_nets import net_of
from tests.validation.int8_nets import Case


def _boxes(random: Generator, count: int, size: float = 100, low: float = -10) -> np.ndarray:
    corners = random.uniform(low, size, (count, 2))
    return np.concatenate([corners, corners + random.uniform(0, 0.6 * size, (count, 2))], axis=1).astype(np.float32)


def _crowded(random: Generator, count: int) -> np.ndarray:
    """Boxes of which many overlap."""
    centres = _boxes(random, max(1, count // 3))
    return (centres[random.integers(0, len(centres), count)] + random.normal(0, 4, (count, 4))).astype(np.float32)


def _some(random: Generator, **choices: list) -> dict[str, object]:
    """Some of the arguments, each with one of its values."""
    kept = [name for name in choices if random.random() < 0.6]
    return {name: choices[name][random.integers(len(choices[name]))] for name in kept}


def _case(kind: str, arguments: dict[str, object], inputs: dict[str, np.ndarray], outputs: str) -> Case:
    names = " ".join(inputs)
    return net_of((kind, names, outputs, arguments), inputs=names, outputs=outputs), inputs


def _proposals(random: Generator) -> Case:
    count, kinds = int(random.choice([1, 1, 2, 3])), int(random.integers(1, 5))
    height, width = (int(v) for v in random.integers(1, 9, 2))
    stride = float(random.choice([4, 8, 16]))
    anchors = np.concatenate([random.uniform(-30, 0, (kinds, 2)), random.uniform(8, 50, (kinds, 2))], axis=1)
    sizes = random.uniform(0.7, 1.2, (count, 2)) * stride * [height, width]
    info = np.concatenate([sizes, random.uniform(0.5, 2, (count, 1))], axis=1)
    arguments = _some(
        random,
        spatial_scale=[1 / stride],
        pre_nms_topN=[0, -1, 5, 20, 60, 6000],
        post_nms_topN=[0, -1, 1, 5, 20, 300],
        nms_thresh=[0.0, 0.3, 0.5, 0.7, 1.0],
        min_size=[0.0, 2.0, 12.0, 30.0, 500.0],
        legacy_plus_one=[0, 1],
        correct_transform_coords=[1],
    )
    inputs = {
        "s": random.random((count, kinds, height, width)).astype(np.float32),
        "d": (0.4 * random.standard_normal((count, 4 * kinds, height, width))).astype(np.float32),
        "i": info.astype(np.float32),
        "a": anchors.astype(np.float32),
    }
    return _case(str(random.choice(["GenerateProposals", "GenerateProposalsCPP"])), arguments, inputs, "r p")


def _transform(random: Generator) -> Case:
    images, count, classes = int(random.choice([1, 1, 2, 3])), int(random.integers(0, 12)), int(random.integers(1, 4))
    rotated = bool(random.random() < 0.3)
    rois = _boxes(random, count)
    arguments = _some(
        random,
        weights=[[10.0, 10.0, 5.0, 5.0]],
        apply_scale=[0, 1],
        legacy_plus_one=[0, 1],
        correct_transform_coords=[1],
    )
    if rotated:
        angles = random.choice([0, 0.5, 1, 30, -80, 95], (count, 1))
        sides = [random.uniform(0, 100, (count, 2)), random.uniform(1, 60, (count, 2)), angles]
        rois = np.concatenate(sides, axis=1).astype(np.float32)
        arguments |= {"rotated": 1, **_some(random, clip_angle_thresh=[-1.0, 0.0, 10.0], angle_bound_on=[0])}
        low, high = [(-90, 90), (0, 180), (-180, 180)][random.integers(3)]
        arguments |= {"angle_bound_lo": low, "angle_bound_hi": high}
    if images > 1 or random.random() < 0.5:
        ids = random.integers(0, images, (count, 1))
        rois = np.concatenate([np.sort(ids, axis=0) if random.random() < 0.8 else ids, rois], axis=1)
    growth = random.choice([0.3, 3]) * random.standard_normal((count, (5 if rotated else 4) * classes))
    info = np.concatenate([random.uniform(50, 120, (images, 2)), random.uniform(0.5, 2, (images, 1))], axis=1)
    inputs = {"r": rois.astype(np.float32), "d": growth.astype(np.float32), "i": info.astype(np.float32)}
    return _case("BBoxTransform", arguments, inputs, str(random.choice(["b", "b n"])))


def _selection(random: Generator) -> Case:
    count, classes = int(random.choice([0, 1, 5, 12, 40])), int(random.integers(2, 5))
    arguments = _some(
        random,
        score_thresh=[0.0, 0.05, 0.3, 0.9, 2.0],
        nms=[0.0, 0.3, 0.5, 0.8, 1.0],
        detections_per_im=[0, -1, 1, 3, 10, 100],
        legacy_plus_one=[0, 1],
        output_classes_include_bg_cls=[0, 1],
        input_boxes_include_bg_cls=[0, 1],
    )
    if random.random() < 0.4:
        softly = _some(
            random,
            soft_nms_method=["linear", "gaussian"],
            soft_nms_sigma=[0.1, 0.5, 2.0],
            soft_nms_min_score_thres=[0.0, 0.1, 0.4],
        )
        arguments |= {"soft_nms_enabled": 1, **softly}
    own = classes - (arguments.get("input_boxes_include_bg_cls") == 0)
    if random.random() < 0.2:
        own, arguments["cls_agnostic_bbox_reg"] = 1, 1
    boxes = np.concatenate([_crowded(random, count) for _ in range(own)], axis=1)
    inputs = {"s": random.random((count, classes)).astype(np.float32), "b": boxes}
    if random.random() < 0.4:
        cuts = np.sort(random.integers(0, count + 1, random.integers(0, 3)))
        splits = np.diff(np.concatenate([[0], cuts, [count]]))
        inputs["n"] = splits.astype(np.float32 if random.random() < 0.7 else np.int32)
    outputs = str(random.choice(["S B C", "S B C N", "S B C N k ks"]))
    return _case("BoxWithNMSLimit", arguments, inputs, outputs)


def _regions(random: Generator, images: int, count: int, size: float) -> np.ndarray:
    ids = random.integers(0, images, (count, 1))
    return np.concatenate([ids, _boxes(random, count, size, -0.3 * size)], axis=1).astype(np.float32)


def _pooled(random: Generator) -> dict[str, object]:
    return {"pooled_h": int(random.integers(1, 5)), "pooled_w": int(random.integers(1, 5))}


def _align(random: Generator) -> Case:
    images, channels = (int(v) for v in random.integers(1, 4, 2))
    size = [int(v) for v in random.integers(1, 12, 2)]
    scale = float(random.choice([0.25, 0.5, 1.0, 0.0625]))
    arguments = _some(random, sampling_ratio=[-1, 0, 1, 2, 3], aligned=[0, 1], order=["NCHW", "NHWC"])
    arguments |= {
        "spatial_scale": scale,
        "pooled_h": int(random.integers(1, 5)),
        "pooled_w": int(random.integers(1, 5)),
    }
    last = arguments.get("order") == "NHWC"
    shape = (images, *size, channels) if last else (images, channels, *size)
    rois = _regions(random, images, int(random.integers(0, 6)), max(size) / scale)
    if images == 1 and random.random() < 0.5:
        rois = rois[:, 1:]
    return _case("RoIAlign", arguments, {"x": random.standard_normal(shape).astype(np.float32), "r": rois}, "y")


def _pool(random: Generator) -> Case:
    scale = float(random.choice([0.25, 0.5, 1.0]))
    arguments = {"is_test": 1, "spatial_scale": scale, **_pooled(random)}
    image = random.standard_normal((2, 3, *random.integers(1, 12, 2))).astype(np.float32)
    rois = _regions(random, 2, int(random.integers(0, 6)), max(image.shape[2:]) / scale)
    return _case("RoIPool", arguments, {"x": image, "r": rois}, "y")


def _pyramid(random: Generator) -> Case:
    kind = str(random.choice(["CollectAndDistributeFpnRpnProposals", "CollectRpnProposals", "DistributeFpnProposals"]))
    arguments: dict[str, object] = {}
    inputs = {"r": _regions(random, 2, int(random.integers(0, 20)), 600)}
    outputs = [] if kind == "DistributeFpnProposals" else ["R"]
    if kind != "DistributeFpnProposals":
        low = int(random.integers(2, 4))
        levels = int(random.integers(1, 5))
        rois = {f"r{n}": _regions(random, 2, int(random.integers(0, 12)), 600) for n in range(levels)}
        scores = {f"s{n}": random.random(len(rois[f"r{n}"])).astype(np.float32) for n in range(levels)}
        inputs = rois | scores
        arguments = {"rpn_min_level": low, "rpn_max_level": low + levels - 1}
        arguments |= _some(random, rpn_post_nms_topN=[0, 1, 5, 10, 2000])
    if kind != "CollectRpnProposals":
        low, high = int(random.integers(2, 4)), int(random.integers(3, 6))
        outputs += [*(f"o{level}" for level in range(low, high + 1)), "p"]
        arguments |= {"roi_min_level": low, "roi_max_level": high}
        arguments |= _some(random, roi_canonical_scale=[50, 112], roi_canonical_level=[2, 3], legacy_plus_one=[0, 1])
    return _case(kind, arguments, inputs, " ".join(outputs))


def _keypoints(random: Generator) -> Case:
    count, keypoints, size = int(random.integers(0, 5)), int(random.integers(1, 4)), int(random.integers(2, 9))
    maps = random.choice([0.01, 1, 5]) * random.standard_normal((count, keypoints, size, size))
    arguments = _some(random, should_output_softmax=[0, 1])
    return _case("HeatmapMaxKeypoint", arguments, {"h": maps.astype(np.float32), "b": _boxes(random, count)}, "k")


def _pyramid_head(random: Generator) -> Case:
    """Proposals of two levels, distributed over the levels, pooled there, and put back in order."""
    proposals, pools = [], []
    inputs: dict[str, np.ndarray] = {"i": np.float32([[64, 64, 1]])}
    for level, size in ((2, 8), (3, 4)):
        stride = 64 / size
        inputs[f"f{level}"] = random.standard_normal((1, 2, size, size)).astype(np.float32)
        inputs[f"s{level}"] = random.random((1, 2, size, size)).astype(np.float32)
        inputs[f"d{level}"] = (0.3 * random.standard_normal((1, 8, size, size))).astype(np.float32)
        inputs[f"a{level}"] = np.float32([[-2, -1, 2, 1], [-1, -2, 1, 2]]) * np.float32(stride)
        arguments = {"spatial_scale": 1 / stride, "pre_nms_topN": 60, "post_nms_topN": 15, "min_size": 0.0}
        read = " ".join(f"{blob}{level}" for blob in "sd") + f" i a{level}"
        proposals.append(("GenerateProposals", read, f"r{level} p{level}", arguments))
        pooling = {"spatial_scale": 1 / stride, "pooled_h": 2, "pooled_w": 2, "sampling_ratio": 2}
        pools.append(("RoIAlign", f"f{level} o{level}", f"y{level}", pooling))
    levels = {f"{kind}_{end}_level": n for kind in ("rpn", "roi") for end, n in (("min", 2), ("max", 3))}
    collect = {**levels, "rpn_post_nms_topN": 20, "roi_canonical_scale": 40, "roi_canonical_level": 3}
    operators = [
        *proposals,
        ("CollectAndDistributeFpnRpnProposals", "r2 r3 p2 p3", "rois o2 o3 back", collect),
        *pools,
        ("Concat", "y2 y3", "y _", {"axis": 0}),
        ("BatchPermutation", "y back", "z"),
    ]
    return net_of(*operators, inputs=" ".join(inputs), outputs="rois z"), inputs


KINDS: dict[str, Callable[[Generator], Case]] = {
    "proposals": _proposals,
    "transform": _transform,
    "selection": _selection,
    "align": _align,
    "pool": _pool,
    "pyramid": _pyramid,
    "keypoints": _keypoints,
    "pyramid_head": _pyramid_head,
}
