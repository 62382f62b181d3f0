from .calibration import Range as Range
from .calibration import calibrate as calibrate
from .errors import QuantizeError as QuantizeError
from .mixed_precision import quantize_within as quantize_within
from .quantizer import quantize as quantize
