"""The rules of every operator, a module per family; versions of one operator stand together, oldest first.

All rules of an operator are in one module: adapters up and down, the decomposition below the opset that brought it, and
the fallback for types that an older version does not take. The registry imports every module of this folder; to add a
rule is to add a function:

    @decomposition("HardSwish")
    def _hard_swish(node: NodeProto, g: Writer) -> None:
        gate = g.op("HardSigmoid", node.input[0], alpha=1 / 6, beta=0.5)
        g.op("Mul", node.input[0], gate, output=node.output[0])

or, where several operators share a rule, a line that registers a function of `building_blocks`:

    adapter("ArgMax", "ArgMin", source=11, target=1)(axis_within_from_front)

The nodes that a rule emits are valid at `g.opset`: for a decomposition, the opset before the operator's first version.
They are taken further down one by one, so a rule may use whatever `g.opset` has, and with `opset=` also a newer form of
an operator (axes as inputs, for instance). The last node makes `node.output`. Where a fact is needed that is not known,
a rule refuses with `g.refuse("why")`; `g.rank`, `g.static_shape` and `g.element_type` refuse by themselves. Constants
come from `g.constant(value)` (int64 by default) and `g.scalar_like(name, number)`. What depends on constants only is
folded afterwards, and nodes that nothing reads are removed: a rule need not look for special cases.

An operator whose schema has a function body needs only `decomposition("Gelu")(inline_body)`.
"""
