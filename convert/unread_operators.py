"""Which operators of a net can be left out because nothing ever reads what they make."""

from collections.abc import Container, Iterable, Sequence

from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef


def unread_operators(ops: Sequence[OperatorDef], outputs: Iterable[str], candidates: Container[int]) -> set[int]:
    """Find operators that can be left out.

    A candidate stays that writes a blob which an earlier operator knows, since such blobs may share their memory with
    others; that has no outputs, since it is there for what it does; or that runs nets of its own, which write any blob.

    Args:
        ops: operators in the order in which they run.
        outputs: blobs that are read when all have run.
        candidates: places in `ops` that may be left out.

    Returns:
        The places of the candidates whose outputs nothing that stays reads.
    """
    known: set[str] = set()
    fresh: list[bool] = []
    for op in ops:
        known.update(op.input)
        fresh.append(not known.intersection(op.output))
        known.update(op.output)
    read = set(outputs)
    dropped: set[int] = set()
    for place in reversed(range(len(ops))):
        op = ops[place]
        apart = bool(op.output) and fresh[place] and not any(a.name.endswith("net") for a in op.arg)
        if apart and place in candidates and not read.intersection(op.output):
            dropped.add(place)
        else:
            read.update(op.input)
    return dropped


def without_unread_operators(
    prepared: Sequence[OperatorDef], net: NetDef, known: Container[str]
) -> tuple[list[OperatorDef], NetDef]:
    """Leave out of a net the operators of no known type that nothing reads, and any that only they read before it.

    Args:
        prepared: operators that run before the net, those of an init net.
        net: the net; it is left as it was.
        known: the types that can be translated.

    Returns:
        What stays of both; the net itself where nothing can be left out.
    """
    ops = [*prepared, *net.op[:]]
    count = len(prepared)
    candidates = {place for place, op in enumerate(ops) if place < count or op.type not in known}
    dropped = unread_operators(ops, net.external_output, candidates) if candidates and net.external_output else set()
    if not dropped:
        return list(prepared), net
    gone = {blob for place in dropped for blob in ops[place].output}
    read = {blob for place, op in enumerate(ops) if place not in dropped for blob in op.input}
    kept = NetDef()
    kept.CopyFrom(net)
    del kept.op[:], kept.external_input[:]
    kept.op.extend(op for place, op in enumerate(ops) if place >= count and place not in dropped)
    kept.external_input.extend(blob for blob in net.external_input if blob in read or blob not in gone)
    return [op for place, op in enumerate(prepared) if place not in dropped], kept
