from .errors import ModelError as ModelError
from .errors import ZoosmithError as ZoosmithError
from .loading import Model as Model
from .loading import load_model as load_model
from .ports import Port as Port
from .saving import save_model as save_model
