"""The real Caffe2, in an environment and a process of its own."""

from zoosmith.validation.caffe2.client import Caffe2Onnx as Caffe2Onnx
from zoosmith.validation.caffe2.client import Caffe2Runner as Caffe2Runner
from zoosmith.validation.caffe2.client import Caffe2Worker as Caffe2Worker
from zoosmith.validation.caffe2.environment import find_environment as find_environment
from zoosmith.validation.caffe2.environment import find_python as find_python
from zoosmith.validation.caffe2.environment import install as install
from zoosmith.validation.caffe2.environment import location as location
