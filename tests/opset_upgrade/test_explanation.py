"""What a conversion says became of each operator."""

from onnx import ModelProto, parser

from zoosmith.opset_upgrade import Change, convert, explain


def explained(text: str, opset: int, target: int) -> list[Change]:
    model = parsed(text, opset)
    return explain(model, target, convert(model, target).changes)


def parsed(text: str, opset: int) -> ModelProto:
    return parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]> g {text}')


def test_every_operator_is_listed_with_versions_and_number_of_nodes() -> None:
    text = """(float[2, 3] x) => (float[2, 3] y) {
        a = Relu (x)  b = Relu (a)  c = Softmax <axis = -1> (b)  d = Dropout (c)  y = Celu (d) }"""
    celu, dropout, relu, softmax = explained(text, 13, 11)
    assert (relu.operator, relu.source, relu.target, relu.how) == ("Relu", 13, 6, "kept")
    assert (relu.before, relu.after) == (2, 2)
    assert (celu.source, celu.target, celu.how, celu.before) == (12, None, "decomposition", 1)
    assert celu.after > 1
    assert (dropout.operator, dropout.target) == ("Dropout", 10)
    assert (softmax.operator, softmax.how) == ("Softmax", "adapter")


def test_an_operator_to_which_different_things_happened_is_listed_once_for_each() -> None:
    text = """(float[2, 3] x) => (float[2, 3] y) {
        a = Softmax <axis = 1> (x)  b = Softmax <axis = 0> (a)  y = Relu (b) }"""
    rows = explained(text, 13, 11)
    assert sum(row.before for row in rows if row.operator == "Softmax") == 2


def test_a_node_of_known_value_becomes_a_constant() -> None:
    text = """(float[2, 3] x) => (float[2, 3] y) {
        r = Constant <value = int64[1] {2}> ()  i = Constant <value = float {1.}> ()  e = Expand (i, r)
        c = Constant <value = float[1] {0.}> ()  k = CumSum (e, ax)  u = Unsqueeze (k, a1)  y = Add (x, u) }"""
    text = text.replace("=> (float[2, 3] y) {", "=> (float[2, 3] y) <int64 ax = {0}, int64[1] a1 = {1}> {")
    assert ("CumSum", "constant") in [(row.operator, row.how) for row in explained(text, 13, 10)]


def test_nodes_in_branches_count_and_those_that_a_rule_makes_do_not() -> None:
    text = """(bool c, float[2, 3] x) => (float[2, 3] y) {
        y = If (c) <then_branch = t () => (float[2, 3] p) { p = Celu (x) },
                    else_branch = e () => (float[2, 3] q) { q = Relu (x) }> }"""
    rows = {row.operator: row for row in explained(text, 13, 11)}
    assert set(rows) == {"If", "Celu", "Relu"}
    assert (rows["If"].before, rows["If"].after, rows["Celu"].before) == (1, 1, 1)


def test_operators_of_other_domains_are_listed_whether_they_are_converted_or_stay() -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17, "com.microsoft": 1, "ai.onnx.ml": 3, "own": 4]>
        g (float[2, 3] x) => (float[2, 3] y) {
            r = Relu (x)  a = com.microsoft.QuickGelu (r)  b = ai.onnx.ml.Binarizer (a)  y = own.Thing (b) }""")
    rows = {row.operator: row for row in explain(model, 17, convert(model, 17).changes)}
    assert list(rows) == ["Relu", "ai.onnx.ml.Binarizer", "com.microsoft.QuickGelu", "own.Thing"]
    assert {row.how for row in rows.values()} == {"kept"}
    assert (rows["own.Thing"].source, rows["own.Thing"].target) == (4, 4)
    conversion = convert(model, 13, standard=True, domains={"ai.onnx.ml": 2})
    domains = {entry.domain: entry.version for entry in conversion.model.opset_import}
    rows = {row.operator: row for row in explain(model, 13, conversion.changes, domains)}
    gelu = rows["com.microsoft.QuickGelu"]
    assert (gelu.source, gelu.target, gelu.how, gelu.before, gelu.after) == (1, None, "decomposition", 1, 3)
    assert rows["ai.onnx.ml.Binarizer"].how == "kept"


def test_the_words_and_the_json_of_a_change() -> None:
    change = Change("Celu", 12, None, "decomposition", 1, 6)
    assert str(change) == "Celu 12 -> none: decomposition, 1 -> 6 nodes"
    assert change.as_dict() == {
        "operator": "Celu", "from": 12, "to": None, "how": "decomposition", "nodes_before": 1, "nodes_after": 6,
    }  # fmt: skip
