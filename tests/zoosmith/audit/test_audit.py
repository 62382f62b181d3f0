"""The audit finds every kind of defect in a sound zoo, in the files that have it, and nothing else."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zoosmith
from tests.progress import Recording
from tests.shared_data import SHARED, needs_shared
from tests.zoosmith.audit.defects import DEFECTS, M
from tests.zoosmith.audit.zoo import Zoo, copy_of, make_zoo, small_model
from tests.zoosmith.built import Built
from tests.zoosmith.recipes.small_recipe import SMALL
from zoosmith import BuildOptions, ZoosmithError
from zoosmith.audit import AuditReport, audit, auditing
from zoosmith.audit.names import opset_in
from zoosmith.audit.registry import CHECKS
from zoosmith.cli.application import run
from zoosmith.execution import Executor, ProcessDiedError, ThreadExecutor
from zoosmith.hub.manifest import MANIFEST_NAME
from zoosmith.hub.pins import pinned_infos
from zoosmith.recipes.published import families
from zoosmith.validation.reading.unpacking import unpacked_size


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return make_zoo(tmp_path_factory.mktemp("sound") / "zoo")


@pytest.fixture
def zoo(sound: Zoo, tmp_path: Path) -> Zoo:
    return copy_of(sound, tmp_path / "zoo")


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadExecutor(1) as executor:
        yield executor


def audited(executor: Executor, *paths: Path) -> AuditReport:
    return audit(paths, executor=executor)


def found_in(report: AuditReport) -> dict[str, set[str]]:
    """The checks that found something, by the name of the file."""
    found: dict[str, set[str]] = {}
    for file, check, _ in report.defects:
        found.setdefault(Path(file).name, set()).add(check)
    return found


def test_a_sound_zoo_has_no_defect_and_every_check_is_made(sound: Zoo, threads: Executor) -> None:
    report = audited(threads, sound.root)
    assert report.defects == []
    made = {finding.check for file in report.files for finding in file.findings}
    assert made == {*CHECKS, "same bytes"}
    assert len(report.files) == 6


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_where_it_is_and_no_other_is_invented(name: str, zoo: Zoo, threads: Executor) -> None:
    inject, finds = DEFECTS[name]
    inject(zoo)
    report = audited(threads, zoo.root)
    assert found_in(report) == finds, report.defects


def test_every_check_has_a_kind_of_defect_that_it_finds() -> None:
    finding = {check for _, finds in DEFECTS.values() for checks in finds.values() for check in checks}
    assert finding == {*CHECKS, "same bytes"}


def _swap(folder: Path) -> None:
    for side in ("input", "output"):
        first, second = (folder / f"test_data_set_0/{side}_{position}.pb" for position in (0, 1))
        held = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(held)


def _other_names(folder: Path) -> None:
    for path in folder.glob("test_data_set_*/*.pb"):
        tensor = TensorProto.FromString(path.read_bytes())
        tensor.name = f"of_another_exporter_{path.stem}"
        path.write_bytes(tensor.SerializeToString())


def _moved(zoo: Zoo, prefixed: bool) -> None:
    shutil.move(zoo.root / "vision", zoo.root / "validated/vision")
    if prefixed:
        zoo.manifest.write_text(zoo.manifest.read_text().replace('"vision/small', '"validated/vision/small'))


def _unpacked_beside(zoo: Zoo) -> None:
    (zoo.folder / "small-9").mkdir()
    shutil.copy(zoo.model("9"), zoo.folder / "small-9" / "model.onnx")


def _open_size(zoo: Zoo) -> None:
    def change(model: onnx.ModelProto) -> None:
        for value in [*model.graph.input, *model.graph.output]:
            value.type.tensor_type.shape.dim[0].dim_param = "N"

    zoo.edit_model("9", change)
    ports = {"inputs": [{"name": name, "shape": ["unk__7", 3], "type": "tensor(float)"} for name in ("s", "x")]}
    ports["outputs"] = [{"name": name, "shape": [None, 3], "type": "tensor(float)"} for name in ("y", "z")]
    zoo.edit_manifest(lambda entries: entries[0]["metadata"].update(io_ports=ports))


SOUND: dict[str, Callable[[Zoo], Any]] = {
    "values in files of other positions, named": lambda zoo: zoo.edit_archive("9", _swap),
    "values of other names, by position": lambda zoo: zoo.edit_archive("9", _other_names),
    "tree below validated": lambda zoo: _moved(zoo, False),
    "tree and manifest below validated": lambda zoo: _moved(zoo, True),
    "no manifest": lambda zoo: zoo.manifest.unlink(),
    "no cards": lambda zoo: zoo.card.unlink(),
    "a card without links to models": lambda zoo: zoo.card.write_text("# Small\n\n[Paper](https://example.com)\n"),
    "a card of links to the web": lambda zoo: zoo.card.write_text(
        zoo.card.read_text().replace("(model/", "(https://example.com/zoo/raw/main/vision/small/model/")
    ),
    "a card of the whole tree above": lambda zoo: (zoo.root / "README.md").write_text("[Small](vision/small)\n"),
    "the unpacked size of an archive": lambda zoo: zoo.card.write_text(
        zoo.card.read_text().replace(
            zoo.link(zoo.archive("9")),
            f"[{unpacked_size(zoo.archive('9')) / 1000:.1f} kB unpacked](model/small-9.tar.gz)",
        )
    ),
    "an unpacked archive": _unpacked_beside,
    "open sizes of other names": _open_size,
    "a lone archive": lambda zoo: (zoo.model("9").unlink(), zoo.manifest.unlink(), zoo.card.unlink()),
    "hidden files": lambda zoo: (zoo.folder / "._small-9.onnx").write_bytes(b"of a Macintosh"),
    "broken links in code": lambda zoo: zoo.card.write_text(
        zoo.card.read_text() + "\n```\n[a](none)\n```\n`[b](none)`\n"
    ),
    "links to the web, to places and out of the tree": lambda zoo: zoo.card.write_text(
        zoo.card.read_text() + "\n[a](#top) [b](https://example.com/x) [c](mailto:a@b.c) [d](../../../README.md)\n"
    ),
    "a link with a title, a space and a place": lambda zoo: zoo.card.write_text(
        zoo.card.read_text() + '\n[a](model/small-9.onnx "title") [b](</vision/small/README.md#top>)\n'
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_is_only_unusual_is_no_defect(name: str, zoo: Zoo, threads: Executor) -> None:
    SOUND[name](zoo)
    assert audited(threads, zoo.root).defects == []


def test_stored_outputs_below_opset_7_are_computed_again_too(zoo: Zoo, threads: Executor) -> None:
    def change(folder: Path) -> None:
        path = folder / "test_data_set_0/output_0.pb"
        tensor = TensorProto.FromString(path.read_bytes())
        other = numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.1), tensor.name)
        path.write_bytes(other.SerializeToString())

    zoo.add("6", small_model(6, ir=3))
    assert audited(threads, zoo.root).defects == []
    zoo.edit_archive("6", change)
    report = audited(threads, zoo.archive("6"))
    assert found_in(report) == {"small-6.tar.gz": {"outputs"}}
    assert "test_data_set_0: y: 6 of 6 elements over the limit" in report.defects[0][2]


def test_a_lone_archive_is_judged_by_the_model_in_it(zoo: Zoo, threads: Executor) -> None:
    zoo.add("12", small_model(9))
    zoo.manifest.unlink()
    zoo.model("12").unlink()
    assert found_in(audited(threads, zoo.archive("12"))) == {"small-12.tar.gz": {"opset of the name"}}


def test_a_file_is_held_to_the_manifest_above_it(zoo: Zoo, threads: Executor) -> None:
    zoo.edit_manifest(lambda entries: entries[0]["metadata"].update(model_bytes=7))
    assert found_in(audited(threads, zoo.model("9"))) == {M: {"size"}}
    assert found_in(audited(threads, zoo.folder)) == {M: {"size"}}
    assert audited(threads, zoo.model("12")).passed


def test_of_a_folder_in_a_tree_only_what_lies_below_it_is_missed(zoo: Zoo, threads: Executor) -> None:
    zoo.edit_manifest(lambda entries: entries[0].update(model_path="elsewhere/small-9.onnx"))
    assert found_in(audited(threads, zoo.root)) == {M: {"present"}}
    assert audited(threads, zoo.folder).passed


def published_manifest(folder: Path) -> Path:
    entries = [
        {
            "model": info.model,
            "model_path": info.model_path,
            "onnx_version": info.onnx_version,
            "opset_version": info.opset,
            "metadata": dict(info.metadata),
        }
        for info in pinned_infos()
    ]
    (folder / MANIFEST_NAME).write_text(json.dumps(entries))
    return folder / MANIFEST_NAME


WRONG_NAMES = {
    "densenet-6.onnx": "densenet-9.onnx",
    "googlenet-3.onnx": "googlenet-7.onnx",
    "googlenet-6.onnx": "googlenet-9.onnx",
}


def test_the_published_files_under_wrong_names_are_seen_from_the_manifest_alone(
    tmp_path: Path, threads: Executor
) -> None:
    report = audited(threads, published_manifest(tmp_path))
    assert {(check, defect.split()[0].rpartition("/")[2]) for _, check, defect in report.defects} == {
        ("same hashes", name) for name in WRONG_NAMES
    }
    for _, _, defect in report.defects:
        name = defect.split()[0].rpartition("/")[2]
        assert f"is the published {WRONG_NAMES[name]} under another name" in defect


@needs_shared
def test_the_published_card_states_four_sizes_that_the_published_manifest_contradicts(
    tmp_path: Path, threads: Executor
) -> None:
    family = families()["densenet"]
    folder = tmp_path / family.folder
    (folder / "model").mkdir(parents=True)
    shutil.copy(SHARED / "facts/densenet121_zoo_readme.md", folder / "README.md")
    shutil.copy(SHARED / "facts/densenet121_hub_manifest.json", tmp_path / MANIFEST_NAME)
    for row in family.rows.values():
        for published, suffix in ((row.model, "onnx"), (row.archive, "tar.gz")):
            with open(folder / "model" / f"densenet-{row.name}.{suffix}", "wb") as file:
                file.truncate(published.size)
    report = audited(threads, folder / "README.md")
    assert [defect for _, _, defect in report.defects] == [
        f"model/densenet-{row}.tar.gz: the card says 33 MB, the file has {family.rows[row].archive.size:,} bytes"
        for row in ("6", "7", "8", "9")
    ]


def test_a_published_file_under_the_name_of_another_is_known_without_a_manifest(
    tmp_path: Path, threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(small_model(9), tmp_path / "densenet-6.onnx")
    monkeypatch.setattr("zoosmith.audit.names.named_by_hash", lambda sha256: "densenet-9.onnx")
    report = audited(threads, tmp_path / "densenet-6.onnx")
    assert ("same bytes", "it is the published densenet-9.onnx under another name") in [
        defect[1:] for defect in report.defects
    ]


def test_a_built_tree_of_a_recipe_has_no_defect(tmp_path: Path, threads: Executor) -> None:
    zoosmith.build(tmp_path, SMALL, BuildOptions(rows="8,9,12,12-int8,14,6", sets=2))
    report = audited(threads, tmp_path)
    assert report.defects == []
    assert len(report.files) == 14


@pytest.mark.slow
def test_the_default_build_has_no_defect(default_build: Built) -> None:
    report = audit([default_build.out])
    assert report.defects == []
    assert len(report.files) == 16


def test_processes_find_what_threads_find(zoo: Zoo, threads: Executor) -> None:
    DEFECTS["model truncated"][0](zoo)
    assert audit([zoo.root], jobs=2) == audited(threads, zoo.root)


class Broken(Executor):
    """One of which a process was killed: no job gives a result."""

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Any:
        return self

    def result(self, timeout: float | None = None) -> Any:
        raise BrokenExecutor("a process was killed")

    def share(self, make: Any, *arguments: Any) -> Any:
        return self

    def close(self, *, cancel: bool) -> None:
        pass


def test_where_a_file_ends_the_process_the_others_are_audited_all_the_same(
    zoo: Zoo, threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apart(function: Any, timeout: float | None, subject: Any, limits: Any) -> Any:
        if subject.path == zoo.model("9"):
            raise ProcessDiedError("the process ended with signal 6")
        return function(subject, limits)

    monkeypatch.setattr(auditing, "call_in_process", apart)
    report = audit([zoo.root], executor=Broken(1))
    assert report.defects == [
        (str(zoo.model("9")), "survived", "the process that audited it died: the process ended with signal 6")
    ]
    assert len(report.files) == len(audited(threads, zoo.root).files)


def test_a_file_is_audited_in_a_process_of_its_own_where_need_be(zoo: Zoo, threads: Executor) -> None:
    DEFECTS["model truncated"][0](zoo)
    assert audit([zoo.model("9")], executor=Broken(1)) == audited(threads, zoo.model("9"))


def test_a_check_that_fails_is_a_defect_of_the_file_and_the_others_go_on(
    zoo: Zoo, threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise RuntimeError("out of a library")

    monkeypatch.setattr("zoosmith.audit.checks.models.check_file", fail)
    report = audited(threads, zoo.model("9"))
    assert [defect[1:] for defect in report.defects] == [
        ("onnx checker", "cannot be checked: RuntimeError: out of a library")
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none", "no such file or folder"),
        (lambda folder: folder, "found none of them"),
    ],
    ids=["absent", "empty"],
)
def test_where_there_is_nothing_to_audit_that_is_said(
    make: Callable[[Path], Path], message: str, tmp_path: Path, threads: Executor
) -> None:
    with pytest.raises(ZoosmithError, match=message):
        audited(threads, make(tmp_path))


def test_of_no_paths_nothing_is_audited() -> None:
    assert audit([]).files == ()


def test_progress_tells_every_file(zoo: Zoo, threads: Executor) -> None:
    progress = Recording()
    audit([zoo.root], executor=threads, progress=progress)
    assert progress.steps("auditing") == list(range(1, 7))


def test_a_file_that_is_named_twice_is_audited_once(zoo: Zoo, threads: Executor) -> None:
    assert len(audited(threads, zoo.root, zoo.model("9")).files) == 6


@pytest.mark.parametrize(
    ("name", "opset"),
    [
        ("densenet-12-int8.onnx", 12),
        ("densenet-9.tar.gz", 9),
        ("squeezenet1.0-3.onnx", 3),
        ("version-RFB-320.onnx", None),
        ("resnet-50.onnx", None),
        ("yolov4.onnx", None),
        ("model.onnx", None),
        ("mobilenetv2-12-qdq.onnx", 12),
    ],
)
def test_the_opset_of_a_name_is_the_number_at_its_end(name: str, opset: int | None) -> None:
    assert opset_in(name) == opset


def test_the_command_prints_a_table_and_ends_with_1_at_a_defect(zoo: Zoo, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", str(zoo.root), "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "6 files, 59 checks, no defects"
    os.truncate(zoo.model("9"), 40)
    assert run(["audit", str(zoo.root), "--jobs", "1", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)["result"]
    assert (result["passed"], result["defects"]) == (False, 5)
    by_name = {Path(file["file"]).name: file for file in result["files"]}
    verdicts = {check["check"]: check["verdict"] for check in by_name[M]["checks"]}
    assert (verdicts["size"], verdicts["git lfs"]) == ("defect", "ok")


def test_outputs_that_nothing_here_computes_are_not_checked_and_no_defect(zoo: Zoo, threads: Executor) -> None:
    zoo.edit_archive("9", lambda folder: _with_foreign_node(folder / "model.onnx"))
    shutil.rmtree(zoo.root / "work", ignore_errors=True)
    zoo.model("9").unlink()
    zoo.manifest.unlink()
    zoo.card.unlink()
    report = audited(threads, zoo.archive("9"))
    assert report.defects == []
    ((file, check, reason),) = report.unchecked
    assert (file, check) == (str(zoo.archive("9")), "outputs")
    assert "FusedThing" in reason and "/tmp" not in reason


def _with_foreign_node(path: Path) -> None:
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("FusedThing", ["x"], ["n"], domain="com.example"))
    model.opset_import.add(domain="com.example", version=1)
    onnx.save(model, path)


def test_a_model_of_another_domain_is_no_defect(tmp_path: Path, threads: Executor) -> None:
    model = small_model(13, ir=8)
    model.graph.node.append(helper.make_node("FusedThing", ["x"], ["n"], domain="com.example"))
    model.opset_import.add(domain="com.example", version=1)
    onnx.save(model, tmp_path / "small-13.onnx")
    assert audited(threads, tmp_path).defects == []


def test_an_archive_that_is_refused_is_unpacked_once_for_all_checks(
    zoo: Zoo, threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = next(zoo.root.rglob("*.tar.gz"))
    unpackings = []

    def refused(path: Path) -> Any:
        unpackings.append(path)
        raise ZoosmithError(f"{path}: refused: it has more than 10,000 members")

    monkeypatch.setattr("zoosmith.audit.files.unpacked", refused)
    report = audited(threads, archive)
    assert report.defects == [(str(archive), "members", "refused: it has more than 10,000 members")]
    assert unpackings == [archive]


def test_data_behind_links_is_read_where_links_are_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = small_model(13)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    (tmp_path / "blobs").mkdir()
    onnx.save(model, tmp_path / "blobs" / "m-13.onnx", save_as_external_data=True, location="d", size_threshold=0)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "m-13.onnx").symlink_to(tmp_path / "blobs" / "m-13.onnx")
    (tree / "d").symlink_to(tmp_path / "blobs" / "d")
    for path in (tree, tree / "m-13.onnx"):
        assert run(["audit", str(path), "--jobs", "1"]) == 1
        assert "--follow-links" in capsys.readouterr().out
        assert run(["audit", str(path), "--jobs", "1", "--follow-links"]) == 0
