"""What `opset_upgrade` raises."""

from zoosmith.onnx_model.errors import ZoosmithError


class OpsetError(ZoosmithError, RuntimeError):
    """A model that cannot be moved to the asked opset; the message is one line for the user.

    A RuntimeError too, which is what onnx's own converter raises.
    """


class Refusal(Exception):
    """Raised by an adapter that cannot keep the meaning of its node; the converter gathers these into one OpsetError.

    Attributes:
        lowest: the lowest version of its domain at which the node could stay as it is; None where an older one is not
            the trouble.
        domain: that domain, empty for the default one.
    """

    lowest: int | None = None
    domain: str = ""

    def within(self, operator: str) -> "Refusal":
        """The same refusal, told of an operator that stands for a part of the node."""
        return Refusal(f"it would take {operator}: {self}").at(self.lowest, self.domain)

    def at(self, lowest: int | None, domain: str = "") -> "Refusal":
        """The same refusal, with the version of a domain that would do."""
        self.lowest, self.domain = lowest, domain
        return self
