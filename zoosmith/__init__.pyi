from . import audit as audit
from . import convert as convert
from . import execution as execution
from . import hub as hub
from . import onnx_model as onnx_model
from . import opset_upgrade as opset_upgrade
from . import optimize as optimize
from . import quantize as quantize
from . import validation as validation
from .archives.bundles import bundle as bundle
from .archives.bundles import validate as validate
from .building.builder import build as build
from .onnx_model.errors import ZoosmithError as ZoosmithError
from .onnx_model.loading import load_model as load_model
from .onnx_model.saving import save_model as save_model
from .recipes.build_options import BuildOptions as BuildOptions
from .recipes.recipe import Recipe as Recipe

__version__: str
