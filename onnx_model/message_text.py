"""Names in protobuf messages: whether they are text."""

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from zoosmith.onnx_model.errors import ModelError

# bytes of such a name in a message: a file that is something else has weights in its place
_SHOWN = 24


def check_message(message: Message) -> None:
    """Refuse names that are no text; protobuf hands such ones on as bytes.

    Args:
        message: searched with all messages in it.

    Raises:
        ModelError: a field for text holds bytes that are no UTF-8.
    """
    for field, value in message.ListFields():
        values = value if field.is_repeated else (value,)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in values:
                check_message(inner)
        elif field.type == FieldDescriptor.TYPE_STRING:
            for text in values:
                if not isinstance(text, str):
                    shown = f"{text[:_SHOWN]!r}{' ...' if len(text) > _SHOWN else ''}"
                    raise ModelError(f"{shown} in the field {field.name} is no text in UTF-8")
