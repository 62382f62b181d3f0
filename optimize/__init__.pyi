from .errors import OptimizeError as OptimizeError
from .ir_model import to_ir as to_ir
from .ir_model import to_proto as to_proto
from .optimizer import fold as fold
from .optimizer import fold_to_ir as fold_to_ir
from .optimizer import optimize as optimize
from .optimizer import optimize_to_ir as optimize_to_ir
from .simplification import simplify as simplify
