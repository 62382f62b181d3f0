from .converter import convert_version as convert_version
from .errors import OpsetError as OpsetError
