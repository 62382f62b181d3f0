"""MobileNetV2 of int8 operators with seeded weights, as Caffe2's mobile nets are built."""

import numpy as np

from tests.validation.caffe2_nets import add_argument
from zoosmith.convert.proto.caffe2_pb2 import NetDef

SIZE = 96
_STEPS = {"Y_scale": 0.02, "Y_zero_point": 128}
_POSITIVE_STEPS = {"Y_scale": 0.02, "Y_zero_point": 0}
# Expansion, channels, repeats, stride of each stage.
_STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


class _Builder:
    def __init__(self) -> None:
        self.net, self.init = NetDef(name="mobilenet", external_input=["x"]), NetDef(name="init")
        self._random = np.random.RandomState(0)
        self._count = 0
        self.blob = self.add("Int8Quantize", ["x"], **_STEPS)

    def add(self, kind: str, read: list[str], **arguments: object) -> str:
        self._count += 1
        self.blob = f"{kind}{self._count}"
        op = self.net.op.add(type=kind, input=read, output=[self.blob])
        for name, value in arguments.items():
            add_argument(op, name, value)
        return self.blob

    def weights(self, *shape: int) -> list[str]:
        """A weight and its bias, scaled so that results keep one order of size."""
        values = np.clip(self._random.normal(128, 30, shape), 0, 255).astype(np.uint8)
        scale = 1.3 / 30 / float(np.sqrt(np.prod(shape[1:])))
        weight = self.init.op.add(type="Int8GivenTensorFill", output=[f"w{self._count}"])
        weight.arg.add(name="values", s=values.tobytes())
        bias = self.init.op.add(type="Int8GivenIntTensorFill", output=[f"b{self._count}"])
        bias.arg.add(name="values", ints=self._random.randint(-200, 200, shape[0]).tolist())
        for op, sizes in ((weight, shape), (bias, shape[:1])):
            op.arg.add(name="shape", ints=sizes)
            op.arg.add(name="Y_scale", f=scale)
            op.arg.add(name="Y_zero_point", i=128 if op is weight else 0)
        return [weight.output[0], bias.output[0]]

    def convolution(
        self, channels: int, outputs: int, *, kernel: int = 1, stride: int = 1, group: int = 1, relu: bool = True
    ) -> None:
        read = [self.blob, *self.weights(outputs, kernel, kernel, channels // group)]
        window = {"kernel": kernel, "stride": stride, "pad": kernel // 2, "group": group, "order": "NHWC"}
        self.add("Int8ConvRelu" if relu else "Int8Conv", read, **window, **(_POSITIVE_STEPS if relu else _STEPS))


def mobilenet() -> tuple[NetDef, NetDef]:
    """The net from an image (n, 96, 96, 3) `x` to logits, with every int8 blob as an output, and its parameters."""
    build = _Builder()
    build.convolution(3, 32, kernel=3, stride=2)
    channels = 32
    for expansion, outputs, repeats, stride in _STAGES:
        for repeat in range(repeats):
            start, wide = build.blob, channels * expansion
            if expansion > 1:
                build.convolution(channels, wide)
            build.convolution(wide, wide, kernel=3, stride=1 if repeat else stride, group=wide)
            build.convolution(wide, outputs, relu=False)
            if repeat:
                build.add("Int8Sum", [start, build.blob], **_STEPS)
            channels = outputs
    build.convolution(channels, 1280)
    build.add("Int8AveragePool", [build.blob], kernel=SIZE // 32, order="NHWC", **_POSITIVE_STEPS)
    build.add("Int8FC", [build.blob, *build.weights(1000, 1280)], Y_scale=0.05, Y_zero_point=128)
    build.net.external_input.extend(op.output[0] for op in build.init.op)
    build.net.external_output.extend(op.output[0] for op in build.net.op)
    return build.net, build.init
