"""The interpreter of Caffe2 nets: names, memory, errors. What each operator computes is tested beside this."""

import gc
import time
import weakref

import numpy as np
import pytest

from tests.validation.caffe2_nets import net_of
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import NetInterpreter, ValidationError, interpret
from zoosmith.validation.errors import StoppedError
from zoosmith.validation.interpreter import engine
from zoosmith.validation.running.run_limit import runs_limited

X = np.float32([[1, -2, 3], [-4, 5, -6]])


def test_outputs_are_float32_and_come_by_blob_name():
    y = interpret(net_of(("Relu", "x", "y")), None, {"x": X})["y"]
    assert y.dtype == np.float32
    assert y.tolist() == [[1, 0, 3], [0, 5, 0]]


def test_a_net_is_computed_in_float64_and_rounded_once():
    # 1 + 2**-30 is 1 in float32: a chain that rounds after each step would give 0.
    steps = [("Add", "x s", "a"), ("Sub", "a x", "d")]
    result = interpret(
        net_of(*steps, inputs="x s", outputs="d"), None, {"x": np.ones(1, "f4"), "s": np.float32([2**-30])}
    )
    assert result["d"].tolist() == [2**-30]


def test_doubles_stay_doubles():
    third = np.float64([1 / 3])
    assert interpret(net_of(("Copy", "x", "y")), None, {"x": third})["y"] == third
    cast = net_of(("Cast", "x", "d", {"to": "DOUBLE"}), ("Copy", "d", "y"))
    assert interpret(cast, None, {"x": X})["y"].dtype == np.float64
    back = net_of(("Cast", "x", "y", {"to": 1}))
    assert interpret(back, None, {"x": third})["y"].dtype == np.float32


def test_integers_and_booleans_keep_their_types():
    for dtype in (np.int32, np.int64):
        assert interpret(net_of(("Negative", "x", "y")), None, {"x": X.astype(dtype)})["y"].dtype == dtype
    assert interpret(net_of(("Not", "x", "y")), None, {"x": X > 0})["y"].dtype == np.bool_


def test_parameters_come_from_the_init_net_and_may_be_written_without_harm_to_the_next_run():
    init = net_of(("GivenTensorFill", "", "w", {"shape": [3], "values": [1.0, 2.0, 3.0]}), inputs="", outputs="w")
    interpreter = NetInterpreter(net_of(("Add", "w x", "w"), ("Copy", "w", "y"), inputs="w x"), init)
    assert interpreter.input_names == ("x",)
    x = np.float32([10, 10, 10])
    assert [interpreter.run({"x": x})["y"].tolist() for _ in range(2)] == [[11, 12, 13]] * 2


def test_init_nets_may_compute():
    init = net_of(
        ("GivenTensorFill", "", "v", {"shape": [2], "values": [4.0, 9.0]}), ("Sqrt", "v", "w"), inputs="", outputs="w"
    )
    assert interpret(net_of(("Copy", "w", "y"), inputs="w"), init, {})["y"].tolist() == [2, 3]


def test_a_parameter_given_as_input_wins():
    init = net_of(("GivenTensorFill", "", "w", {"shape": [1], "values": [1.0]}), inputs="", outputs="w")
    result = interpret(net_of(("Copy", "w", "y"), inputs="w"), init, {"w": np.float32([7])})
    assert result["y"].tolist() == [7]


def test_external_outputs_may_be_inputs_parameters_or_listed_twice():
    init = net_of(("GivenTensorFill", "", "w", {"shape": [1], "values": [1.0]}), inputs="", outputs="w")
    result = interpret(net_of(("Relu", "x", "y"), inputs="x w", outputs="y x w y"), init, {"x": X})
    assert list(result) == ["y", "x", "w"]
    assert result["x"].tolist() == X.tolist()


def test_external_outputs_are_the_last_version_of_a_blob():
    steps = [("Relu", "x", "y"), ("Negative", "y", "z"), ("Negative", "z", "y"), ("Exp", "x", "x")]
    result = interpret(net_of(*steps, outputs="y x"), None, {"x": X})
    assert result["y"].tolist() == np.maximum(X, 0).tolist()
    np.testing.assert_allclose(result["x"], np.exp(X), rtol=1e-6)


def test_inputs_are_not_changed():
    x = X.copy()
    interpret(net_of(("Relu", "x", "x"), outputs="x"), None, {"x": x})
    assert x.tolist() == X.tolist()


def test_outputs_are_no_views_of_parameters_or_inputs():
    init = net_of(("GivenTensorFill", "", "w", {"shape": [1], "values": [1.0]}), inputs="", outputs="w")
    interpreter = NetInterpreter(net_of(inputs="x w", outputs="x w"), init)
    x = X.copy()
    for output in interpreter.run({"x": x}).values():
        output.fill(0)
    assert x.tolist() == X.tolist()
    assert interpreter.run({"x": x})["w"].tolist() == [1]


def test_any_blob_can_be_asked_for():
    net = net_of(("Relu", "x", "a"), ("Negative", "a", "b"), ("Exp", "b", "y"))
    assert list(interpret(net, None, {"x": X}, outputs=["b", "x"])) == ["b", "x"]


def test_blobs_are_dropped_after_their_last_use(monkeypatch):
    seen: list[weakref.ref] = []
    compute = engine._compute

    def watched(op, kernel, workspace):
        gc.collect()
        results = compute(op, kernel, workspace)
        if op.type == "Exp":
            seen.append(weakref.ref(results[0]))
        elif op.type == "Sqrt":
            assert seen[0]() is None
        return results

    monkeypatch.setattr(engine, "_compute", watched)
    net = net_of(("Exp", "x", "a"), ("Floor", "a", "b"), ("Sqrt", "b", "c"), ("Copy", "c", "y"))
    interpret(net, None, {"x": X})
    assert seen


class TestSharedMemory:
    def test_an_in_place_operator_on_an_alias_changes_the_original(self):
        result = interpret(net_of(("Alias", "x", "y"), ("Relu", "y", "y"), outputs="x y"), None, {"x": X})
        assert result["x"].tolist() == result["y"].tolist() == np.maximum(X, 0).tolist()

    def test_writing_the_original_changes_the_alias(self):
        result = interpret(net_of(("Alias", "x", "y"), ("Negative", "x", "x")), None, {"x": X})
        assert result["y"].tolist() == (-X).tolist()

    def test_an_unrelated_output_written_to_an_alias_changes_the_original(self):
        net = net_of(("Alias", "x", "y"), ("Copy", "z", "y"), inputs="x z", outputs="x")
        assert interpret(net, None, {"x": X, "z": -X})["x"].tolist() == (-X).tolist()

    def test_a_smaller_tensor_overwrites_the_first_elements_only(self):
        steps = [("Alias", "x", "y"), ("Slice", "z", "y", {"starts": [0, 0], "ends": [1, -1]})]
        result = interpret(net_of(*steps, inputs="x z", outputs="x y"), None, {"x": X, "z": -X})
        assert result["x"].tolist() == [(-X[0]).tolist(), X[1].tolist()]
        assert result["y"].tolist() == [(-X[0]).tolist()]

    def test_a_larger_tensor_gets_memory_of_its_own(self):
        steps = [("Alias", "x", "y"), ("Concat", "x x", "y i", {"axis": 0}), ("Negative", "y", "y")]
        result = interpret(net_of(*steps, outputs="x y"), None, {"x": X})
        assert result["x"].tolist() == X.tolist()
        assert result["y"].tolist() == np.concatenate([-X, -X]).tolist()

    def test_a_copy_is_independent(self):
        steps = [("Alias", "x", "y"), ("Copy", "y", "c"), ("Relu", "x", "x")]
        assert interpret(net_of(*steps, outputs="c"), None, {"x": X})["c"].tolist() == X.tolist()

    def test_aliased_parameters_are_fresh_in_each_run(self):
        init = net_of(("GivenTensorFill", "", "w", {"shape": [1], "values": [-1.0]}), inputs="", outputs="w")
        interpreter = NetInterpreter(net_of(("Alias", "w", "y"), ("Negative", "y", "y"), inputs="w"), init)
        assert [interpreter.run({})["y"].tolist() for _ in range(2)] == [[1], [1]]


class TestRefusals:
    def test_all_unknown_operators_are_named_before_anything_runs(self):
        net = net_of(("Zork", "x", "a"), ("Relu", "nothing", "b"), ("Blub", "a", "y"))
        with pytest.raises(ValidationError, match="'Blub', 'Zork'"):
            NetInterpreter(net)

    def test_missing_inputs_are_named(self):
        net = net_of(("Add", "x w", "a"), ("Add", "a v", "y"), inputs="x w v")
        with pytest.raises(ValidationError, match="no value for blob 'w', 'v'"):
            interpret(net, None, {"x": X})

    def test_inputs_that_the_net_does_not_have_are_named(self):
        with pytest.raises(ValidationError, match="no input 'z'; its inputs are 'x'"):
            interpret(net_of(("Relu", "x", "y")), None, {"x": X, "z": X})

    def test_inputs_that_are_no_numbers(self):
        with pytest.raises(ValidationError, match="input 'x' is of type object, expected numbers"):
            interpret(net_of(("Relu", "x", "y")), None, {"x": X.astype(object)})

    def test_a_wrong_number_of_inputs_names_the_operator(self):
        with pytest.raises(ValidationError, match=r"operator 0 Sub \(output 'y'\): cannot have 1 inputs"):
            interpret(net_of(("Sub", "x", "y")), None, {"x": X})

    def test_more_outputs_than_an_operator_has(self):
        with pytest.raises(ValidationError, match="has 2 outputs, at most 1"):
            interpret(net_of(("Relu", "x", "y z")), None, {"x": X})

    @pytest.mark.parametrize(
        ("step", "reason"),
        [
            (("Clip", "x", "y", {"min": 1}), "argument 'min' must be a float"),
            (("TopK", "x", "y i"), "argument 'k' is missing"),
            (("Transpose", "x", "y", {"axes": [0.5, 1.5]}), "argument 'axes' must be a list of integers"),
            (("Transpose", "x", "y", {"axes": [0, 1, 2]}), "inputs do not fit"),
            (("Softmax", "x", "y", {"axis": 2}), "axis 2 is outside of an input with 2 dimensions"),
            (("Dropout", "x", "y"), "is_test"),
            (("AffineChannel", "x x x", "y", {"order": "CHWN"}), "expected NCHW or NHWC"),
        ],
    )
    def test_arguments_that_do_not_fit(self, step, reason):
        with pytest.raises(ValidationError, match=reason) as caught:
            interpret(net_of(step), None, {"x": X})
        assert "\n" not in str(caught.value)

    def test_an_unwritten_mask_has_no_value(self):
        net = net_of(("Dropout", "x", "a mask", {"is_test": 1}), ("Copy", "mask", "y"))
        with pytest.raises(ValidationError, match=r"operator 1 Copy.*'mask' has no value"):
            interpret(net, None, {"x": X})

    def test_memory_seen_as_two_types(self):
        net = net_of(("Alias", "x", "y"), ("Cast", "z", "y", {"to": 2}), inputs="x z", outputs="x")
        with pytest.raises(ValidationError, match="over memory that it shares"):
            interpret(net, None, {"x": X, "z": X})

    def test_a_net_without_outputs_wants_to_know_which_blobs(self):
        net = net_of(("Relu", "x", "y"), outputs="")
        with pytest.raises(ValidationError, match="declares no external output"):
            interpret(net, None, {"x": X})
        assert list(interpret(net, None, {"x": X}, outputs=["y"])) == ["y"]

    def test_an_image_too_large_for_memory(self):
        with pytest.raises(ValidationError, match="ConstantFill"):
            interpret(net_of(("ConstantFill", "", "y", {"shape": [2**40, 2**10]}), inputs=""), None, {})

    def test_an_empty_net_gives_its_inputs_back(self):
        net = NetDef(name="n", external_input=["x"], external_output=["x"])
        assert interpret(net, None, {"x": X})["x"].tolist() == X.tolist()


def test_a_run_that_takes_longer_than_runs_may_is_stopped_before_its_next_operator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed = []
    monkeypatch.setattr(engine, "_called", lambda op, kernel, values: computed.append(time.sleep(0.05)) or values[0])
    net = net_of(*((("Relu", "x", "x"),) * 1000), ("Relu", "x", "y"))
    net.name = "long"
    with runs_limited(0.2), pytest.raises(StoppedError, match=r"long: stopped: no result after 0\.2 s; `timeout`"):
        interpret(net, None, {"x": X})
    assert 1 <= len(computed) <= 5


def test_an_init_net_and_the_nets_inside_of_operators_keep_to_the_limit_too() -> None:
    fill = ("ConstantFill", "", "w", {"shape": [300, 300], "value": 0.5})
    init = net_of(fill, *((("MatMul", "w w", "w"),) * 2000), inputs="", outputs="w")
    with runs_limited(0.1), pytest.raises(StoppedError):
        NetInterpreter(net_of(("Copy", "w", "y"), inputs="w"), init)
    chosen = net_of(*((("MatMul", "x x", "x"),) * 2000), ("Copy", "x", "y"))
    net = net_of(("If", "c", "y"), inputs="c x")
    net.op[0].arg.add(name="then_net", n=chosen)
    with runs_limited(0.1), pytest.raises(StoppedError):
        interpret(net, None, {"c": np.array(True), "x": np.eye(300, dtype=np.float32)})
