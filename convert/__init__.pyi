from .errors import ConvertError as ConvertError
from .nets import NetSource as NetSource
from .nets import read_net as read_net
from .nets import write_net as write_net
from .parameters import read_parameters as read_parameters
from .translation import caffe2_to_onnx as caffe2_to_onnx
from .translation import untranslatable as untranslatable
