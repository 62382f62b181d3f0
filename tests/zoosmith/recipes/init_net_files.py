"""Init nets of given parameters, as files of the zoo are laid out."""

from collections.abc import Mapping

import numpy as np

from zoosmith.recipes.init_nets import InitLayout, init_net_parts


def init_net_content(name: str, parameters: Mapping[str, np.ndarray]) -> bytes:
    return b"".join(init_net_parts(InitLayout(name), parameters))
