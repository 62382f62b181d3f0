"""RNN, GRU and LSTM with all that their text allows; the evaluator's own pass over lengths, activations and clip."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from zoosmith.validation.legacy.registry import legacy

Array = np.ndarray
_States = tuple[Array, ...]
_Step = Callable[[Array, _States], _States]
_Activation = Callable[[Array], Array]

# Name -> (function of x, alpha, beta; default alpha; default beta), None where the function has no such value.
_ACTIVATIONS: dict[str, tuple[Callable[..., Array], float | None, float | None]] = {
    "relu": (lambda x, a, b: np.maximum(x, 0), None, None),
    "tanh": (lambda x, a, b: np.tanh(x), None, None),
    "sigmoid": (lambda x, a, b: 0.5 * (1 + np.tanh(0.5 * x)), None, None),
    "affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "leakyrelu": (lambda x, a, b: np.where(x < 0, a * x, x), 0.01, None),
    "thresholdedrelu": (lambda x, a, b: np.where(x >= a, x, 0), 1.0, None),
    "scaledtanh": (lambda x, a, b: a * np.tanh(b * x), 1.0, 1.0),
    "hardsigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), 0.2, 0.5),
    "elu": (lambda x, a, b: np.where(x < 0, a * np.expm1(np.minimum(x, 0)), x), 1.0, None),
    "softsign": (lambda x, a, b: x / (1 + np.abs(x)), None, None),
    "softplus": (lambda x, a, b: np.logaddexp(0, x), None, None),
}


class _Layer:
    """What the three operators share: directions, lengths, layout, activations, clip. All arithmetic is in float64."""

    def __init__(
        self,
        tensors: Sequence[Array | None],
        attributes: dict[str, Any],
        gates: int,
        activations: Sequence[str],
    ):
        x, w, r, bias, self.lengths = tensors[:5]
        assert x is not None and w is not None and r is not None
        self.dtype = x.dtype
        self.batch_first = bool(attributes.get("layout"))
        self.x = (x.swapaxes(0, 1) if self.batch_first else x).astype(np.float64)
        self.w, self.r = w.astype(np.float64), r.astype(np.float64)
        self.directions, self.hidden = w.shape[0], r.shape[-1]
        direction = attributes.get("direction") or "forward"
        # the default in opset 1's own schema is misspelt
        reversals = {"forward": [False], "foward": [False], "reverse": [True], "bidirectional": [False, True]}
        if direction not in reversals or len(reversals[direction]) != self.directions:
            raise ValueError(f"direction {direction!r} does not fit weights for {self.directions} directions")
        if w.shape[1] != gates * self.hidden or r.shape[1] != w.shape[1] or w.shape[2] != x.shape[2]:
            raise ValueError(f"W {list(w.shape)} and R {list(r.shape)} do not fit X {list(x.shape)}")
        self.reversed = reversals[direction]
        self.bias = np.zeros((self.directions, 2 * gates * self.hidden)) if bias is None else bias.astype(np.float64)
        self.clip = attributes.get("clip")
        names = attributes.get("activations") or list(activations) * self.directions
        if list(names) == ["Tanh", "Tanh"]:
            names = names[: self.directions * len(activations)]  # RNN's default is for two directions
        if len(names) != len(activations) * self.directions:
            raise ValueError(f"{len(names)} activations given, expected {len(activations) * self.directions}")
        found = list(_activations(names, attributes))
        self.functions = [found[start : start + len(activations)] for start in range(0, len(found), len(activations))]

    def clipped(self, value: Array) -> Array:
        return value if self.clip is None else np.clip(value, -self.clip, self.clip)

    def state(self, initial: Array | None, direction: int) -> Array:
        if initial is None:
            return np.zeros((self.x.shape[1], self.hidden))
        return (initial[:, direction] if self.batch_first else initial[direction]).astype(np.float64)

    def run(self, step_of: Callable[[int], _Step], initials: Sequence[Array | None]) -> tuple[Array, ...]:
        """Run every direction; `step_of(d)` computes the next states of direction d, the hidden one first."""
        time, batch = self.x.shape[:2]
        y = np.zeros((time, self.directions, batch, self.hidden))
        finals = []
        for direction, backwards in enumerate(self.reversed):
            step = step_of(direction)
            states: _States = tuple(self.state(initial, direction) for initial in initials)
            for t in reversed(range(time)) if backwards else range(time):
                # past its length a sequence keeps its state and gives zeros
                alive = np.ones((batch, 1), bool) if self.lengths is None else (t < self.lengths)[:, None]
                after = step(self.x[t], states)
                states = tuple(np.where(alive, new, old) for new, old in zip(after, states, strict=True))
                y[t, direction] = np.where(alive, states[0], 0)
            finals.append(states)
        last = [np.stack(values) for values in zip(*finals, strict=True)]
        if self.batch_first:
            y, last = y.transpose(2, 0, 1, 3), [value.swapaxes(0, 1) for value in last]
        return tuple(value.astype(self.dtype) for value in (y, *last))


def _activations(names: Sequence[str], attributes: dict[str, Any]) -> Iterator[_Activation]:
    # the values are consumed in the order of the functions that take one
    alphas = iter(attributes.get("activation_alpha") or ())
    betas = iter(attributes.get("activation_beta") or ())
    for name in names:
        if name.lower() not in _ACTIVATIONS:
            raise ValueError(f"activation {name!r} is not one of the text's")
        function, alpha, beta = _ACTIVATIONS[name.lower()]
        a = None if alpha is None else float(next(alphas, alpha))
        b = None if beta is None else float(next(betas, beta))
        yield lambda x, function=function, a=a, b=b: function(x, a, b)  # type: ignore[misc]


@legacy("RNN", first=1, last=None)
def _rnn(
    x: Array,
    w: Array,
    r: Array,
    bias: Array | None = None,
    lengths: Array | None = None,
    initial_h: Array | None = None,
    **attributes: Any,
) -> tuple[Array, ...]:
    layer = _Layer((x, w, r, bias, lengths), attributes, 1, ["Tanh"])

    def step_of(d: int) -> _Step:
        f = layer.functions[d][0]
        total = layer.bias[d].reshape(2, -1).sum(axis=0)
        return lambda xt, states: (f(layer.clipped(xt @ layer.w[d].T + states[0] @ layer.r[d].T + total)),)

    return layer.run(step_of, [initial_h])


@legacy("GRU", first=1, last=None)
def _gru(
    x: Array,
    w: Array,
    r: Array,
    bias: Array | None = None,
    lengths: Array | None = None,
    initial_h: Array | None = None,
    **attributes: Any,
) -> tuple[Array, ...]:
    layer = _Layer((x, w, r, bias, lengths), attributes, 3, ["Sigmoid", "Tanh"])

    def step_of(d: int) -> _Step:
        f, g = layer.functions[d]
        (wz, wr, wh), (rz, rr, rh) = np.split(layer.w[d], 3), np.split(layer.r[d], 3)
        wbz, wbr, wbh, rbz, rbr, rbh = np.split(layer.bias[d], 6)

        def step(xt: Array, states: _States) -> _States:
            (h,) = states
            update = f(layer.clipped(xt @ wz.T + h @ rz.T + wbz + rbz))
            reset = f(layer.clipped(xt @ wr.T + h @ rr.T + wbr + rbr))
            late = attributes.get("linear_before_reset")
            recurrent = reset * (h @ rh.T + rbh) if late else (reset * h) @ rh.T + rbh
            return ((1 - update) * g(layer.clipped(xt @ wh.T + recurrent + wbh)) + update * h,)

        return step

    return layer.run(step_of, [initial_h])


@legacy("LSTM", first=1, last=None)
def _lstm(
    x: Array,
    w: Array,
    r: Array,
    bias: Array | None = None,
    lengths: Array | None = None,
    initial_h: Array | None = None,
    initial_c: Array | None = None,
    peepholes: Array | None = None,
    **attributes: Any,
) -> tuple[Array, ...]:
    layer = _Layer((x, w, r, bias, lengths), attributes, 4, ["Sigmoid", "Tanh", "Tanh"])
    looks = np.zeros((layer.directions, 3 * layer.hidden)) if peepholes is None else peepholes.astype(np.float64)

    def step_of(d: int) -> _Step:
        f, g, h = layer.functions[d]
        total = layer.bias[d].reshape(2, -1).sum(axis=0)
        look_i, look_o, look_f = np.split(looks[d], 3)

        def step(xt: Array, states: _States) -> _States:
            hidden, cell = states
            i, o, forget, c = np.split(xt @ layer.w[d].T + hidden @ layer.r[d].T + total, 4, axis=1)
            entry = f(layer.clipped(i + look_i * cell))
            kept = 1 - entry if attributes.get("input_forget") else f(layer.clipped(forget + look_f * cell))
            # the cell goes into h unclipped: the runtimes bound only what the gates add up
            after = kept * cell + entry * g(layer.clipped(c))
            return f(layer.clipped(o + look_o * after)) * h(after), after

        return step

    return layer.run(step_of, [initial_h, initial_c])
