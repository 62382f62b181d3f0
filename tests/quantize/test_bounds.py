"""A Relu or Clip that is part of a convolution holds its bounds, whatever other values its scale has to hold."""

import numpy as np
import pytest

from tests.optimize.nets import Net
from zoosmith.quantize import quantize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import runner_for


@pytest.mark.parametrize("form", ["integer", "qdq"])
@pytest.mark.parametrize("opset", [10, 12])
@pytest.mark.parametrize(("lowest", "highest"), [(0.0, None), (0.0, 0.5), (-0.1, 0.5)])
def test_values_that_meet_others_in_a_concat_keep_their_bounds(
    form: str, opset: int, lowest: float, highest: float | None
) -> None:
    net = Net([1, 3, 12, 12], opset=opset)
    bounded = net.conv("data", 3, 8)
    if highest is None:
        bounded = net.add("Relu", bounded)
    elif opset < 11:
        bounded = net.add("Clip", bounded, min=lowest, max=highest)
    else:
        bounded = net.add("Clip", bounded, *(net.constant(np.float32(bound)) for bound in (lowest, highest)))
    other = net.conv("data", 3, 8)
    # Softmax reads one scale for all of the Concat, so that both convolutions have it
    probabilities = net.add("Softmax", net.add("Concat", bounded, other, axis=1), axis=1)
    model = net.model(bounded, other, probabilities)
    samples = random_samples(model, 10)

    integer = runner_for(quantize(model, samples, target=Target(form)))
    for sample in samples[:3]:
        wanted, found = runner_for(model).run(sample), integer.run(sample)
        assert wanted[other].min() < lowest - 0.5
        for name in (bounded, other):
            np.testing.assert_allclose(found[name], wanted[name], atol=0.04)
