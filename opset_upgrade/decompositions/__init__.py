"""Decompositions: an operator in terms of operators of the opset before the one that brought it.

A family of operators is one module; a module of this folder is loaded by the registry, nothing else need be touched:

    @decomposition("HardSwish")
    def _hard_swish(node: NodeProto, g: Writer) -> None:
        gate = g.op("HardSigmoid", node.input[0], alpha=1 / 6, beta=0.5)
        g.op("Mul", node.input[0], gate, outputs=node.output)

The nodes emitted are valid at `g.opset`, the opset before the operator's first version. They are taken further down
one by one, so a decomposition may use whatever `g.opset` has, and with `opset=` also a newer form of an operator
(axes as inputs, say). The last node takes over `node.output`. A fact that is needed and not to be had is a
`g.refuse("why")`; `g.rank`, `g.static_shape`, `g.element_type` refuse by themselves. Constants come from
`g.constant(value)` (int64 unless told) and `g.scalar_like(name, number)`. What depends on constants only is folded
afterwards, and what nothing reads is left out: a decomposition need not look for special cases.

An operator whose schema has a function body needs only its name in `function_bodies`. `@type_fallback` registers in
the same way what to do with types that an older version of an operator does not take (see `casting`).
"""
