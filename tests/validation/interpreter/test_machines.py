"""Reference outputs do not depend on the machine: other processors' kernels and thread counts give the same bytes."""

import os
import subprocess
import sys

import pytest

from tests.shared_data import SHARED, needs_shared

# Prints a digest of three outputs, and one of a float64 product, in which the kernels do differ.
_PROGRAM = """
import hashlib, sys
import numpy as np
from zoosmith.validation import NetInterpreter
digest = lambda array: hashlib.sha256(array.tobytes()).hexdigest()
net = NetInterpreter(*sys.argv[1:])
images = [np.random.RandomState(seed).randn(1, 3, 224, 224).astype(np.float32) for seed in range(3)]
print([digest(net.run({"data": image})["fc6"]) for image in images])
a, b = np.random.RandomState(0).randn(64, 1152), np.random.RandomState(1).randn(1152, 3136)
print(digest(a @ b))
"""
# Older processors only, whose kernels run on any newer one.
_MACHINES = [
    {},
    {"OPENBLAS_NUM_THREADS": "1"},
    {"OPENBLAS_CORETYPE": "Sandybridge"},
    {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"},
]


@pytest.mark.slow
@needs_shared
def test_densenet_121_gives_the_same_bytes_on_every_processor():
    nets = [SHARED / "caffe2_zoo" / "densenet121" / "predict_net.pbtxt", SHARED / "densenet121" / "init_net.pb"]
    outputs, products = set(), set()
    for machine in _MACHINES:
        command = [sys.executable, "-c", _PROGRAM, *map(str, nets)]
        printed = subprocess.run(command, env=os.environ | machine, capture_output=True, text=True, check=True).stdout
        output, product = printed.splitlines()
        outputs.add(output)
        products.add(product)
    assert len(outputs) == 1
    if len(products) == 1:
        pytest.skip("numpy's matrix library here takes no other processor's kernels")
