"""The results of a build or of a command as one self-contained HTML page: values -> page model -> HTML.

`values` reads JSON that others may have written; `build_sections` and `command_sections` make the page model (`page`)
of it, `charts` its plots; `svg` draws these and `rendering` writes the HTML.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
