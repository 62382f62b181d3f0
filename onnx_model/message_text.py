"""Names in protobuf messages: whether they are text."""

from enum import Enum
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from zoosmith.onnx_model.errors import ModelError

# bytes of such a name in a message: a file that is something else has weights in its place
_SHOWN = 24
# of a larger message no second copy is made, in bytes
_MOST_BYTES = 16 << 20


class _Kind(Enum):
    """What a field holds, as far as text may be in it."""

    MESSAGE = 1
    MESSAGES = 2
    TEXT = 3
    TEXTS = 4
    OTHER = 5


def check_message(message: Message, content: bytes | None = None) -> None:
    """Refuse names that are no text; protobuf hands such ones on as bytes.

    Args:
        message: searched with all messages in it.
        content: what it was parsed of, where that is at hand: then no field is looked at unless one of them is no text.

    Raises:
        ModelError: a field for text holds bytes that are no UTF-8.
    """
    if content is not None and len(content) <= _MOST_BYTES and _has_only_text(message.DESCRIPTOR, content):
        return
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


def _has_only_text(kind: Any, content: bytes) -> bool:
    """Whether all fields for text hold text: protobuf itself refuses others, in messages of proto3."""
    try:
        _of_proto3(kind).FromString(content)
    except DecodeError:
        return False
    return True


@cache
def _of_proto3(kind: Any) -> type[Message]:
    """The same messages in the syntax proto3."""
    file = FileDescriptorProto()
    kind.file.CopyToProto(file)
    file.syntax = "proto3"
    waiting = list(file.message_type)
    while waiting:
        found = waiting.pop()
        waiting.extend(found.nested_type)
        for field in found.field:
            # which proto3 does not have
            if field.label == FieldDescriptorProto.LABEL_REQUIRED:
                field.label = FieldDescriptorProto.LABEL_OPTIONAL
            field.ClearField("default_value")
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(kind.full_name))


@cache
def _kind(field: FieldDescriptor) -> _Kind:
    # asking a descriptor costs more than reading the field
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return _Kind.MESSAGES if field.is_repeated else _Kind.MESSAGE
    if field.type == FieldDescriptor.TYPE_STRING:
        return _Kind.TEXTS if field.is_repeated else _Kind.TEXT
    return _Kind.OTHER
