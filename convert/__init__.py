"""Read and write Caffe2 nets and translate them to ONNX, without Caffe2."""

from convert.errors import ConvertError
from convert.nets import NetSource, read_net, write_net

__all__ = ["ConvertError", "NetSource", "read_net", "write_net"]
