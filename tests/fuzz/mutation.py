"""Changes of protobuf messages by their fields, so that a mutated file still is a message."""

from collections.abc import Iterator
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_INTEGERS = (0, 1, -1, 2, 3, 7, 64, 255, -(2**31), 2**31 - 1, 2**31, 2**40, 2**62, -(2**62), 2**63 - 1, -(2**63))
_FLOATS = (0.0, 1.0, -1.0, 0.5, 1e-38, 3e38, float("inf"), float("-inf"), float("nan"))
_TEXTS = ("", "x", "y", "w", "a/b", "..", "\x1b[2J", "\n", "\u202e", "n" * 300)
_LIMITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_REAL = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
# of these a copy could make a message of any size
_LARGEST_LIST = 64


def mutate(message: Message, random: Random) -> None:
    """Change up to four fields of a message or of the messages in it.

    Args:
        message: changed in place.
        random: what and how.
    """
    for _ in range(random.randint(1, 4)):
        inside = list(_messages(message))
        chosen = random.choice(inside)
        # fields that are set are the likelier ones
        filled = [field for field, _ in chosen.ListFields()]
        field = random.choice(filled if filled and random.random() < 0.8 else list(chosen.DESCRIPTOR.fields))
        if field.is_repeated:
            _change_list(getattr(chosen, field.name), field, inside, random)
        elif random.random() < 0.2:
            chosen.ClearField(field.name)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            getattr(chosen, field.name).CopyFrom(_like(field, inside, random) or getattr(chosen, field.name))
        else:
            setattr(chosen, field.name, _scalar(field, getattr(chosen, field.name), inside, random))


def _messages(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            for each in value if field.is_repeated else [value]:
                yield from _messages(each)


def _like(field: FieldDescriptor, inside: list[Message], random: Random) -> Message | None:
    """A copy of a message of the field's type."""
    found = [each for each in inside if each.DESCRIPTOR is field.message_type]
    if not found:
        return None
    copy = type(found[0])()
    copy.CopyFrom(random.choice(found))
    return copy


def _change_list(values: Any, field: FieldDescriptor, inside: list[Message], random: Random) -> None:
    choice = random.random()
    if values and choice < 0.3:
        del values[random.randrange(len(values))]
    elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        if values and choice < 0.5:
            mutate(random.choice(values), random)
        elif len(values) < _LARGEST_LIST:
            like = _like(field, inside, random)
            values.add() if like is None else values.append(like)
    elif values and choice < 0.7:
        index = random.randrange(len(values))
        values[index] = _scalar(field, values[index], inside, random)
    elif len(values) < _LARGEST_LIST:
        values.append(_scalar(field, values[0] if values else None, inside, random))


def _scalar(field: FieldDescriptor, old: Any, inside: list[Message], random: Random) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice(field.enum_type.values).number
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return random.random() < 0.5
    if field.cpp_type in _REAL:
        return random.choice(_FLOATS)
    if field.cpp_type in _LIMITS:
        low, high = _LIMITS[field.cpp_type]
        wanted = random.choice(_INTEGERS) if old is None or random.random() < 0.6 else old + random.randint(-3, 3)
        return min(max(wanted, low), high)
    # names that something else has make other graphs, not only damaged ones
    texts = [value for each in inside for known, value in each.ListFields() if _is_text(known)]
    text = random.choice(texts) if texts and random.random() < 0.8 else random.choice(_TEXTS)
    return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text


def _is_text(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
