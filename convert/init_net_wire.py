"""Where the parameters of an init net lie in its bytes: field numbers of Caffe2's messages, and a float's record."""

import numpy as np

from zoosmith.onnx_model.wire_format import FIXED32

NET_OP, OP_ARG, ARG_NAME, ARG_FLOATS = 2, 5, 1, 5
FLOAT_TAG = ARG_FLOATS << 3 | FIXED32
FLOAT_RECORD = np.dtype([("tag", "u1"), ("value", "<f4")])
"""An unpacked float: its tag, then the value; five bytes."""
