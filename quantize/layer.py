"""What became of one layer, as reports list it; what measures it is in `layers`."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Layer:
    """What became of one integer layer, on samples.

    Attributes:
        name: of the float value that the layer makes.
        op_type: of the float node.
        snr_db: power of the float values over that of the integer model's error in them, with the error of all layers
            before, in decibels; None where there is no error.
        minimum: the lowest float value.
        maximum: the highest one.
        clipped: share of the float values that uint8 cannot hold.
        alone_db: the same ratio of the model's outputs (of logits, where they are probabilities) where this layer alone
            is integer. None where that was not measured.
    """

    name: str
    op_type: str
    snr_db: float | None
    minimum: float
    maximum: float
    clipped: float
    alone_db: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
