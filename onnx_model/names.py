"""Names for new values and nodes."""

from collections.abc import Iterable

from onnx import ModelProto

from zoosmith.onnx_model.traversal import all_names


class Names:
    """The names in use in a model, to which new ones are added.

    Args:
        model: the model, read when the first new name is asked for.
        more: further names that are taken.
    """

    def __init__(self, model: ModelProto, more: Iterable[str] = ()) -> None:
        self._model = model
        self._more = more
        self._taken: set[str] | None = None
        self._counts: dict[str, int] = {}

    def fresh(self, stem: str) -> str:
        """A name that nothing in the model has, subgraphs and functions included: `stem`, or `stem` and a number.

        The same for the same model and the same calls before.
        """
        if self._taken is None:
            self._taken = {*all_names(self._model), *self._more}
        name = stem
        while name in self._taken:
            self._counts[stem] = self._counts.get(stem, 1) + 1
            name = f"{stem}_{self._counts[stem]}"
        self._taken.add(name)
        return name
