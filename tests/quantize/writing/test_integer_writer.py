"""Integer nodes compute what the float ones do, also where integers are near their limits."""

import numpy as np
import pytest

from tests.optimize.nets import Net
from tests.quantize.all_integer import all_integer
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.validation import OnnxRuntimeRunner


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_bias_of_a_wide_average_of_a_channel_that_hardly_changes_fits_into_int32() -> None:
    net = Net([1, 4, 30, 30])
    # a channel that training left without weights: 1000 everywhere, 254,000 steps of its scale from zero
    weights, bias = net.stream.randn(4, 4, 3, 3).astype(np.float32), np.array([1000, 0, 0, 0], np.float32)
    weights[0] = 0
    x = net.add("Conv", "data", net.constant(weights), net.constant(bias))
    x = net.add("AveragePool", x, kernel_shape=[14, 14], strides=[14, 14])
    model = net.model(net.conv(x, 4, 4))
    samples = random_samples(model, 4)
    real, integer = OnnxRuntimeRunner(model), OnnxRuntimeRunner(all_integer(model, samples).integer)
    for sample in samples:
        [wanted], [found] = real.run(sample).values(), integer.run(sample).values()
        np.testing.assert_allclose(found, wanted, rtol=0.02)
