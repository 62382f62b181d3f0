"""The table of what the zoo published."""

import csv
import re

import pytest

from tests.shared_data import SHARED, needs_shared
from zoosmith.recipes.published import Family, families

ALL = families()


def test_it_holds_the_12_caffe2_families_with_80_rows() -> None:
    assert len(ALL) == 12
    assert sum(len(family.rows) for family in ALL.values()) == 80


@pytest.mark.parametrize("family", ALL.values(), ids=ALL)
def test_every_row_has_sizes_and_hashes_and_the_opset_of_its_name(family: Family) -> None:
    for name, row in family.rows.items():
        assert row.name == name and name.partition("-")[0] == str(row.opset)
        for file in (row.model, row.archive):
            assert file.size > 0 and re.fullmatch("[0-9a-f]{64}", file.sha256)


def test_the_three_files_under_a_wrong_name_are_known() -> None:
    wrong = {
        f"{family.prefix}-{row.name}": row.mislabelled_as
        for family in ALL.values()
        for row in family.rows.values()
        if row.mislabelled_as is not None
    }
    assert wrong == {"googlenet-3": "7", "googlenet-6": "9", "densenet-6": "9"}


@needs_shared
def test_it_says_what_the_measured_tables_say() -> None:
    folder = SHARED / "facts"
    with (folder / "zoo_rows.tsv").open() as file:
        rows = {line["file"]: line for line in csv.DictReader(file, delimiter="\t")}
    ours = {f"{family.prefix}-{name}.onnx": row for family in ALL.values() for name, row in family.rows.items()}
    assert set(ours) == set(rows)
    for file_name, row in ours.items():
        line = rows[file_name]
        found = (row.title, row.opset, row.onnx_version)
        assert found == (line["model"], int(line["opset"]), line["onnx_version"])
        assert (str(row.model.size), row.model.sha256) == (line["model_bytes"], line["model_sha256"])
        assert (str(row.archive.size), row.archive.sha256) == (line["archive_bytes"], line["archive_sha256"])
    with (folder / "zoo_families.tsv").open() as file:
        for line in csv.DictReader(file, delimiter="\t"):
            family = ALL[line["file_prefix"]]
            found_texts = (family.net, family.title, family.folder, family.license, family.graph or "")
            names = ("caffe2_net", "title", "folder", "license_in_zoo_readme", "graph_name")
            assert found_texts == tuple(line[name] for name in names)
            for side, ports in (("input", family.inputs), ("output", family.outputs)):
                shape = ",".join(map(str, ports[0].shape or ()))
                assert (ports[0].name, shape) == (line[side], line[f"{side}_shape"])
            for net, known in (("predict_net", family.predict_net), ("init_net", family.init_net)):
                texts = (str(known.size), known.sha256) if known else ("", "")
                assert texts == (line[f"{net}_bytes"], line[f"{net}_sha256"])
