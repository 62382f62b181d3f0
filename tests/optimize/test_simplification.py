"""What onnx-simplifier makes of a model does not depend on its version more than it must."""

import onnx
from onnx import helper
from onnx.parser import parse_model

from zoosmith.optimize import simplify


def test_the_simplifiers_own_notes_stay_out_of_the_file_and_the_users_stay_in() -> None:
    model = parse_model(
        """<ir_version: 8, opset_import: ["": 13]>
        agraph (float[2] x) => (float[2] y) <float[1] two = {2.0}, float[1] three = {3.0}> {
            six = Mul(two, three)
            y = Mul(x, six)
        }"""
    )
    helper.set_model_props(model, {"author": "a user"})
    simplified = simplify(model)
    assert [node.op_type for node in simplified.graph.node] == ["Mul"]
    assert [(entry.key, entry.value) for entry in simplified.metadata_props] == [("author", "a user")]
    onnx.checker.check_model(simplified, full_check=True)
