"""Read and write Caffe2 nets and translate them to ONNX, without Caffe2."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
