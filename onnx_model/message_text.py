"""Names in protobuf messages: whether they are text."""

from enum import Enum
from functools import cache

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from zoosmith.onnx_model.errors import ModelError

# bytes of such a name in a message: a file that is something else has weights in its place
_SHOWN = 24


class _Kind(Enum):
    """What a field holds, as far as text may be in it."""

    MESSAGE = 1
    MESSAGES = 2
    TEXT = 3
    TEXTS = 4
    OTHER = 5


def check_message(message: Message) -> None:
    """Refuse names that are no text; protobuf hands such ones on as bytes.

    Args:
        message: searched with all messages in it.

    Raises:
        ModelError: a field for text holds bytes that are no UTF-8.
    """
    waiting = [message]
    while waiting:
        for field, value in waiting.pop().ListFields():
            kind = _kind(field)
            if kind is _Kind.MESSAGES:
                waiting.extend(value)
            elif kind is _Kind.MESSAGE:
                waiting.append(value)
            elif kind is not _Kind.OTHER:
                for text in value if kind is _Kind.TEXTS else (value,):
                    if not isinstance(text, str):
                        shown = f"{text[:_SHOWN]!r}{' ...' if len(text) > _SHOWN else ''}"
                        raise ModelError(f"{shown} in the field {field.name} is no text in UTF-8")


@cache
def _kind(field: FieldDescriptor) -> _Kind:
    # asking a descriptor costs more than reading the field
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return _Kind.MESSAGES if field.is_repeated else _Kind.MESSAGE
    if field.type == FieldDescriptor.TYPE_STRING:
        return _Kind.TEXTS if field.is_repeated else _Kind.TEXT
    return _Kind.OTHER
