"""The real Caffe2, in an environment and a process of its own."""

from zoosmith.validation.caffe2.client import Caffe2Onnx as Caffe2Onnx
from zoosmith.validation.caffe2.client import Caffe2Runner as Caffe2Runner
from zoosmith.validation.caffe2.client import Caffe2Worker as Caffe2Worker
