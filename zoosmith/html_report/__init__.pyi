from .drawing import PAGE as PAGE
from .drawing import REPORT as REPORT
from .drawing import Drawn as Drawn
from .drawing import draw_command as draw_command
from .drawing import draw_folder as draw_folder
from .values import ReportError as ReportError
