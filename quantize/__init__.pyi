from .calibration import Range as Range
from .calibration import calibrate as calibrate
from .errors import QuantizeError as QuantizeError
from .fallback import quantize_within as quantize_within
from .folding import fold as fold
from .quantizer import quantize as quantize
from .simplification import optimize as optimize
from .simplification import simplify as simplify
