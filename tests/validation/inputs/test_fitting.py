"""Random inputs on which a model runs, and what a proof says where an output shows nothing."""

import numpy as np
import pytest
from onnx import ModelProto, parser

from zoosmith.validation import InputSource, ValidationError, runner_for, verify_models
from zoosmith.validation.inputs.fitting import Case, fitting_cases
from zoosmith.validation.inputs.random_values import InputShape


def model(signature: str, nodes: str, initializers: str = "") -> ModelProto:
    return parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {signature} <{initializers}> {{ {nodes} }}')


def fitted(found: ModelProto, count: int = 2, **options: object) -> list[Case]:
    return fitting_cases(found, runner_for(found).run, InputSource(**options), count)


def reflected(shape: str) -> ModelProto:
    """A Pad by reflection, which takes no length below 5."""
    return model(f"(float[{shape}] x) => (float[A,B] y)", 'y = Pad <mode = "reflect"> (x, p)', "int64[4] p = {0,4,0,4}")


def test_two_cases_have_other_sizes_everywhere_and_no_ones() -> None:
    first, second = fitted(reflected("b,n"))
    assert all(first.sizes[name] != second.sizes[name] for name in first.sizes)
    assert 1 not in first.sizes.values() and 1 not in second.sizes.values()
    assert first.inputs["x"].shape == tuple(first.sizes.values())


def test_a_size_that_a_model_fixes_though_it_looks_open_is_found() -> None:
    fixed = model(
        "(float[b,n] x) => (float[b,m] y)", "y = MatMul (x, w)", f"float[512,2] w = {{{','.join(['1'] * 1024)}}}"
    )
    first, second = fitted(fixed)
    assert first.sizes["n"] == second.sizes["n"] == 512 and first.sizes["b"] != second.sizes["b"]


def test_sizes_that_depend_on_each_other_are_found() -> None:
    joined = model("(float[a,m] x, float[b,n] z) => (float[c,d] y)", "y = Add (x, z)")
    for case in fitted(joined):
        assert case.sizes["a"] == case.sizes["b"] and case.sizes["m"] == case.sizes["n"]


def test_where_no_sizes_fit_the_message_names_both_options() -> None:
    never = model("(float[b,n] x) => (float[b,m] y)", "y = MatMul (x, w)", "float[3,1] w = {1,2,3}")
    with pytest.raises(ValidationError) as error:
        fitted(never, dims={"n": 5})
    assert "give `dims` b=N, `shapes` x=N,N or data with `feed` FILE" in str(error.value)


def test_shapes_and_sizes_that_were_given_stay() -> None:
    plain = model("(float[b,n] x) => (float[b,n] y)", "y = Relu (x)")
    assert [case.sizes for case in fitted(plain, dims={"b": 7, "n": 9})] == [{"b": 7, "n": 9}] * 2
    shaped = fitted(plain, shapes={"x": InputShape((1, 64))})
    assert [case.inputs["x"].shape for case in shaped] == [(1, 64)] * 2


def test_an_output_that_is_always_empty_is_no_evidence() -> None:
    empty = model("(float[2,3] x) => (float[A,3] y)", "y = Slice (x, z, z)", "int64[1] z = {0}")
    with pytest.raises(ValidationError, match="nothing can be compared"):
        verify_models(empty, empty)
    both = model(
        "(float[2,3] x) => (float[A,3] y, float[2,3] r)", "y = Slice (x, z, z) r = Relu (x)", "int64[1] z = {0}"
    )
    proof = verify_models(both, both)
    assert proof.passed and proof.unseen == ("y",)
    assert "nothing to compare in 'y'" in str(proof)


def test_an_output_of_nan_alone_is_no_evidence_and_more_cases_are_tried() -> None:
    never = model("(float[2] x) => (float[2] y)", "n = Sub (x, x) z = Sub (n, o) y = Sqrt (z)", "float o = {1}")
    with pytest.raises(ValidationError, match="nothing can be compared"):
        verify_models(never, never)
    seldom = model("(float[1] x) => (float[1] y)", "y = Log (x)")
    for seed in range(6):
        proof = verify_models(seldom, seldom, inputs=InputSource(seed=seed))
        assert proof.passed and not proof.unseen
        assert np.isfinite(proof.largest_error or 0)
