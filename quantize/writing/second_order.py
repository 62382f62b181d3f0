"""Weights rounded one after another, each making up for the errors of those before it."""

import numpy as np

from zoosmith.onnx_model.constants import Array
from zoosmith.quantize.writing.weights import LIMIT, PAIR_LIMIT

# of the mean variance: added to each, so that what was not seen on few samples costs something, too
_DAMPING = 0.03
# weights that are rounded before what they did not reach moves the weights after them
_BLOCK = 64


def round_by_covariance(weights: Array, scale: Array, covariance: Array, *, neighbours: bool) -> Array:
    """Round weights so that the sums that they are part of, not each weight, come near to the real ones.

    After a weight is rounded, those after it in its output channel move by what makes the expected error of the sum
    least, and are rounded then (Frantar et al., "GPTQ: Accurate Post-Training Quantization", 2023). Weights of large
    variance come first.

    Args:
        weights: float64 (O, K), as `weights_of_outputs` gives them.
        scale: float64 (O,).
        covariance: of what they multiply, of shape (groups, K, K).
        neighbours: keep neighbours within PAIR_LIMIT, as `quantize_weights` does.

    Returns:
        Whole numbers in float64, of the shape of the weights.
    """
    groups, count = covariance.shape[:2]
    real = (weights / scale[:, None]).reshape(groups, -1, count)
    variance = np.einsum("gkk->gk", covariance)
    damping = np.maximum(_DAMPING * variance.mean(axis=1), 1e-9 * variance.max() or 1.0)
    order = np.argsort(-variance.sum(axis=0), kind="stable")
    place = np.argsort(order, kind="stable")
    damped = covariance[:, order][:, :, order] + np.eye(count) * damping[:, None, None]
    # inverse of the covariance = its transpose times itself
    root = np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    left = real[:, :, order]
    result = np.zeros_like(real)
    for begin in range(0, count, _BLOCK):
        end = min(begin + _BLOCK, count)
        errors = np.zeros((*real.shape[:2], end - begin))
        for index in range(begin, end):
            bounds = _bounds(result, int(order[index]), place, neighbours=neighbours)
            rounded = np.clip(np.rint(left[:, :, index]), *bounds)
            result[:, :, order[index]] = rounded
            error = (left[:, :, index] - rounded) / root[:, index, index, None]
            errors[:, :, index - begin] = error
            left[:, :, index + 1 : end] -= error[:, :, None] * root[:, None, index, index + 1 : end]
        left[:, :, end:] -= errors @ root[:, begin:end, end:]
    return result.reshape(weights.shape)


def _bounds(rounded: Array, weight: int, place: Array, *, neighbours: bool) -> tuple[Array | float, Array | float]:
    """What a weight may be, beside its neighbour where that was rounded before."""
    other = weight ^ 1
    if not neighbours or other >= len(place) or place[other] > place[weight]:
        return -LIMIT, LIMIT
    beside = rounded[:, :, other]
    return np.maximum(-LIMIT, -PAIR_LIMIT - beside), np.minimum(LIMIT, PAIR_LIMIT - beside)
