"""The published Detectron Faster R-CNN net with seeded weights, under which its scores neither vanish nor saturate."""

import json
from collections.abc import Mapping

import numpy as np

from tests.shared_data import SHARED
from zoosmith.convert import caffe2_to_onnx, read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import OnnxRuntimeRunner

FOLDER = SHARED / "caffe2_zoo" / "detectron_e2e_faster_rcnn_R-50-C4_1x"
SIZE = 320
INPUT_INFO = {"data": (1, [1, 3, SIZE, SIZE]), "im_info": (1, [1, 3])}
# Residual branches add little, so that activations stay of one order through all 16 blocks; regressions stay small.
_GAINS = {"branch2c_w": 0.5, "branch1_w": 0.7, "rpn_cls_logits_w": 0.2, "rpn_bbox_pred_w": 0.06, "bbox_pred_w": 0.3}
# Heads see features with one large mean: without it, boxes differ.
_CENTRED = {"cls_score_w", "bbox_pred_w", "rpn_cls_logits_w", "rpn_bbox_pred_w"}


def predict_net(proposals: int = 1000) -> NetDef:
    """The published net; `proposals` replaces its post_nms_topN, to make it faster."""
    net = read_net(FOLDER / "predict_net.pbtxt")
    for op in net.op:
        for argument in op.arg:
            if argument.name == "post_nms_topN":
                argument.i = proposals
    return net


def anchors(stride: int = 16) -> np.ndarray:
    """Detectron's 15 anchors around the first pixel: ratios 0.5, 1, 2 by sizes 32 to 512."""
    centre = (stride - 1) / 2
    widths = np.round(np.sqrt(stride**2 / np.array([0.5, 1.0, 2.0])))
    sides = np.stack([widths, np.round(widths * [0.5, 1.0, 2.0])], axis=1)
    scales = np.array([32, 64, 128, 256, 512]) / stride
    reach = (sides[:, None] * scales[:, None] - 1).reshape(-1, 2) / 2
    return np.concatenate([centre - reach, centre + reach], axis=1).astype(np.float32)


def parameters(seed: int = 0) -> dict[str, np.ndarray]:
    """He-scaled weights of the published shapes, and the anchors."""
    random = np.random.RandomState(seed)
    result: dict[str, np.ndarray] = {}
    for name, shape in json.loads((FOLDER / "shapes.json").read_text()).items():
        if name == "anchor":
            result[name] = anchors()
        elif name.endswith("_w"):
            weights = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
            if name in _CENTRED:
                weights -= weights.mean(axis=1, keepdims=True)
            gain = next((gain for end, gain in _GAINS.items() if name.endswith(end)), 1.0)
            result[name] = (gain * weights).astype(np.float32)
        else:
            result[name] = (0.05 * random.standard_normal(shape)).astype(np.float32)
    return result


def init_net(values: Mapping[str, np.ndarray]) -> NetDef:
    """The fill operators of these parameters."""
    net = NetDef(name="init")
    for name, value in values.items():
        op = net.op.add(type="GivenTensorFill", output=[name])
        op.arg.add(name="shape", ints=value.shape)
        op.arg.add(name="values", floats=value.ravel().tolist())
    return net


def inputs(seed: int = 1) -> dict[str, np.ndarray]:
    """An image of coloured squares with noise, and its size and scale."""
    random = np.random.RandomState(seed)
    squares = random.standard_normal((1, 3, 10, 10)).repeat(SIZE // 10, 2).repeat(SIZE // 10, 3)
    image = squares + 0.5 * random.standard_normal(squares.shape)
    return {"data": image.astype(np.float32), "im_info": np.float32([[SIZE, SIZE, 1]])}


def spread_scores(values: dict[str, np.ndarray], spread: float = 2.5) -> dict[str, np.ndarray]:
    """Centre and scale the class scores over the image's proposals, so that the classes share the detections."""
    net = predict_net(proposals=40)
    net.external_output[:] = ["cls_score"]
    del net.op[next(n for n, op in enumerate(net.op) if op.output[0] == "cls_score") + 1 :]
    model = caffe2_to_onnx(net, init_net(values), inputs=INPUT_INFO, opset=None, names="caffe2")
    (scores,) = OnnxRuntimeRunner(model, threads=2).run(inputs()).values()
    gain = np.float32(spread / scores.std(axis=0).mean())
    weights, bias = gain * values["cls_score_w"], gain * (values["cls_score_b"] - scores.mean(axis=0))
    return {**values, "cls_score_w": weights, "cls_score_b": bias.astype(np.float32)}
