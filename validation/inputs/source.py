"""What a model is run on: random values, or values from a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoosmith.onnx_model.loading import Model
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.inputs.random_values import InputShape, random_inputs


@dataclass(frozen=True)
class InputSource:
    """Where the inputs of a run come from: a file, or else numbers chosen by a seed.

    Attributes:
        seed: of random inputs; case k uses `seed` + k.
        dims: sizes of symbolic dimensions by name.
        shapes: types and shapes of inputs by name, for what the model does not state.
        feed: a file or folder with data, read by `read_feed`; the others are not used then.
    """

    seed: int = 0
    dims: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, InputShape] = field(default_factory=dict)
    feed: Path | None = None

    def cases(self, model: Model, count: int = 1) -> list[dict[str, Any]]:
        """Make or read inputs.

        Args:
            model: whose inputs they are.
            count: for how many runs; a feed gives as many as it holds.

        Returns:
            For each run, values by the names of the inputs.

        Raises:
            ValidationError: as `random_inputs` and `read_feed` do, or where both a feed and sizes are given.
        """
        if self.feed is not None:
            if self.dims or self.shapes:
                raise ValidationError(f"{self.feed}: gives the inputs' sizes itself; give data or sizes, not both")
            # most verifications have none, and reading archives takes libraries
            from zoosmith.validation.reading.feeds import read_feed

            return read_feed(self.feed, model)
        return [
            random_inputs(model, seed=self.seed + index, dims=self.dims, shapes=self.shapes) for index in range(count)
        ]

    def __str__(self) -> str:
        return f"random, seed {self.seed}" if self.feed is None else str(self.feed)
