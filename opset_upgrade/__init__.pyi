from .caveats import Caveat as Caveat
from .caveats import summarize as summarize
from .converter import Conversion as Conversion
from .converter import convert as convert
from .converter import convert_version as convert_version
from .errors import OpsetError as OpsetError
from .explanation import Change as Change
from .explanation import explain as explain
