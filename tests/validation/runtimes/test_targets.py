import re

import pytest
from onnx.helper import VERSION_TABLE

from tests.shared_data import SHARED, needs_shared
from zoosmith.validation import ValidationError
from zoosmith.validation.runtimes import supported, target_for, targets
from zoosmith.validation.runtimes.versions import order


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("onnxruntime==1.6.0", "1.6.0"),
        ("onnxruntime==1.6", "1.6.0"),
        (" onnxruntime==1.10 ", "1.10.0"),
        ("onnxruntime==1.1", "1.1.0"),
        ("ONNXRuntime==1.16", "1.16.3"),
        ("onnxruntime", "1.32.0"),
        ("onnxruntime==1", "1.32.0"),
        ("windows-ml==10", "10.2004"),
    ],
)
def test_a_name_stands_for_the_newest_listed_release_that_begins_like_it(text: str, version: str):
    assert target_for(text).version == version


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("onnxruntime==9.9", "this version is not listed; listed versions of onnxruntime are 1.0.0, 1.1.0"),
        ("onnxruntime==1.60", "not listed"),
        ("onnxrt==1.6", "no target of that name is listed; listed are caffe2, "),
        ("onnxruntime=1.6", "expected a target as NAME or NAME==VERSION"),
        ("", "expected a target"),
        ("onnxruntime==", "expected a target"),
    ],
)
def test_what_is_not_listed_is_refused_with_what_is(text: str, words: str):
    with pytest.raises(ValidationError, match=re.escape(words)):
        target_for(text)


def test_onnx_runtime_1_6_takes_opset_13_and_ir_7():
    target = target_for("onnxruntime==1.6")
    assert (target.opset, target.ir, str(target)) == (13, 7, "onnxruntime==1.6.0")


def test_every_row_is_sourced_and_known_to_onnx():
    known = {(opset, ir) for _, ir, opset, *_ in VERSION_TABLE}
    opsets, irs = {opset for opset, _ in known}, {ir for _, ir in known}
    for target in targets():
        assert target.source and target.opset in opsets | set(range(max(opsets), 40)), target
        assert target.ir is None or target.ir in irs | set(range(max(irs), 20)), target


def test_a_newer_release_never_takes_less():
    for name in {target.name for target in targets()}:
        rows = sorted((row for row in targets() if row.name == name), key=lambda row: order(row.version))
        assert [row.opset for row in rows] == sorted(row.opset for row in rows)
        assert [row.ir or 0 for row in rows] == sorted(row.ir or 0 for row in rows)


def test_every_onnx_runtime_of_the_table_can_be_installed():
    listed = {str(target) for target in targets() if target.name == "onnxruntime"}
    assert listed == {str(runtime) for runtime in supported() if runtime.name == "onnxruntime"}


def test_every_installable_runtime_pins_each_of_its_packages_for_each_of_its_pythons():
    for runtime in supported():
        assert runtime.pythons and runtime.requirements
        for line in runtime.pinned():
            assert re.fullmatch(r"[\w.-]+==[\w.]+( --hash=sha256:[0-9a-f]{64})+", line), line


@needs_shared
def test_the_measured_rows_are_those_that_were_measured():
    lines = (SHARED / "facts/runtimes.tsv").read_text().splitlines()[1:]
    rows = {cells[0]: cells for cells in (line.split("\t") for line in lines)}
    # these two load whatever they are given, and run what their documentation says
    for version in ("1.0.0", "1.1.0"):
        assert rows.pop(version)[3] == "1-29" and "Versioning" in target_for(f"onnxruntime=={version}").source
    for version, (_, _, ir, opset) in rows.items():
        target = target_for(f"onnxruntime=={version}")
        assert (f"1-{target.ir}", f"1-{target.opset}") == (ir, opset)
