"""Names, manifests and hashes: which file a name means, and what it is held to."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoosmith
from tests.zoosmith.hub.trees import Served, entry, served, small_tree, write_tree
from tests.zoosmith.small_models import scaling_model
from zoosmith import hub
from zoosmith.hub import HubError, fetching
from zoosmith.hub.fetching import DEFAULT_SOURCE, Hub, license_in
from zoosmith.hub.manifest import MANIFEST_NAME, parse_manifest, split_stem
from zoosmith.hub.pins import license_of, named_by_hash, pinned_info, pinned_infos
from zoosmith.onnx_model.lfs import parse_pointer

DENSENET = "vision/classification/densenet-121/model/densenet"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree", small_tree())


def manifest_of(folder: Path, *entries: Any) -> Path:
    write_tree(folder, {MANIFEST_NAME: json.dumps(entries).encode()})
    return folder


def published(row: str) -> Any:
    """The zoo's entry of a DenseNet-121 row."""
    info = next(info for info in pinned_infos() if info.model_path == f"{DENSENET}-{row}.onnx")
    return {
        "model": info.model,
        "model_path": f"validated/{info.model_path}",
        "onnx_version": info.onnx_version,
        "opset_version": info.opset,
        "metadata": {**info.metadata, "model_with_data_path": f"validated/{info.metadata['model_with_data_path']}"},
    }


@pytest.mark.parametrize(
    ("stem", "opset", "parts"),
    [
        ("densenet-12", 12, ("densenet", "12")),
        ("densenet-12-int8", 12, ("densenet", "12-int8")),
        ("squeezenet1.0-9", 9, ("squeezenet1.0", "9")),
        ("resnet50-v1-12-qdq", 12, ("resnet50-v1", "12-qdq")),
        ("yolov4", 11, ("yolov4", "11")),
        ("version-RFB-320", 9, ("version-RFB-320", "9")),
        ("ssd_mobilenet_v1_10", 10, ("ssd_mobilenet_v1_10", "10")),
    ],
)
def test_the_name_of_a_file_has_a_prefix_and_a_row(stem: str, opset: int, parts: tuple[str, str]) -> None:
    assert split_stem(stem, opset) == parts


@pytest.mark.parametrize(
    ("name", "opset", "stem"),
    [
        ("densenet-121", None, "densenet-12"),
        ("densenet-121:12", None, "densenet-12"),
        ("DenseNet-121:9", None, "densenet-9"),
        ("densenet:12-int8", None, "densenet-12-int8"),
        ("densenet-12-int8", None, "densenet-12-int8"),
        ("densenet-121", 7, "densenet-7"),
        ("AlexNet:12-qdq", None, "bvlcalexnet-12-qdq"),
        ("resnet50-caffe2", None, "resnet50-caffe2-v1-9"),
        ("squeezenet1.0:8", None, "squeezenet1.0-8"),
    ],
)
def test_a_model_has_several_names_and_its_newest_float_row_is_meant(
    name: str, opset: int | None, stem: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # the mirror without a manifest: the published files are known all the same
    with served(Served({})) as empty:
        monkeypatch.setattr(fetching, "DEFAULT_SOURCE", empty.url)
        assert Hub(empty.url, cache=tmp_path).find(name, opset=opset).stem == stem


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", r"has no model 'none'; `list_models` names all"),
        ("mall", r"has no model 'mall'; there are small"),
        ("small:7", "small has no row '7'; its rows are 9, 12, 12-int8"),
        ("Vision", "no model"),
    ],
)
def test_a_name_that_means_nothing_says_what_there_is(name: str, message: str, tree: Path) -> None:
    with pytest.raises(HubError, match=message):
        hub.get_model_info(name, str(tree))


def test_a_name_of_several_models_names_them(tmp_path: Path) -> None:
    entries = [entry(f"resnet/model/resnet{depth}-9.onnx", b"1", None, title="ResNet") for depth in (18, 34)]
    with pytest.raises(HubError, match="'resnet' is several models: resnet18, resnet34"):
        hub.get_model_info("resnet", str(manifest_of(tmp_path, *entries)))
    assert hub.get_model_info("resnet34", str(tmp_path)).stem == "resnet34-9"


def test_models_are_listed_and_found_by_tags(tree: Path) -> None:
    assert [info.row for info in hub.list_models(str(tree))] == ["9", "12", "12-int8"]
    assert len(hub.list_models(str(tree), tags=["Vision", "small"])) == 3
    assert hub.list_models(str(tree), tags=["text"]) == []
    assert [info.opset for info in hub.list_models(str(tree), model="small-9")] == [9]


@pytest.mark.parametrize("as_url", [True, False])
def test_a_folder_is_a_source_by_path_and_by_url(as_url: bool, tree: Path, tmp_path: Path) -> None:
    path = hub.download_model("small", tree.as_uri() if as_url else str(tree), cache=tmp_path / "cache")
    assert path.name == "small-12.onnx"
    assert path.read_bytes() == (tree / "vision/classification/small/model/small-12.onnx").read_bytes()


@pytest.mark.parametrize("moved", ["tree", "manifest"])
def test_the_tree_and_the_manifest_may_be_of_before_and_after_the_move_below_validated(
    moved: str, tmp_path: Path
) -> None:
    files = small_tree()
    if moved == "tree":
        files = {path if path == MANIFEST_NAME else f"validated/{path}": files[path] for path in files}
    else:
        files[MANIFEST_NAME] = files[MANIFEST_NAME].replace(b'"vision/', b'"validated/vision/')
    source = write_tree(tmp_path / "tree", files)
    info = Hub(str(source), cache=tmp_path).find("small")
    fetched = Hub(str(source), cache=tmp_path).fetch(info, archive=True)
    assert (fetched.path.name, fetched.license) == ("small-12.tar.gz", "Apache-2.0")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/tree", "http is taken on this machine only"),
        ("ftp://example.com/tree", "expected a source by https, a file URL or a folder"),
        ("https://user:secret@example.com/tree", "without user, query or fragment"),
        ("https://example.com/tree?x=1", "without user, query or fragment"),
        ("https://", "expected an https URL"),
        ("https://[", "no URL"),
        ("file://server/tree", "expected a file URL of this machine"),
        ("/no/such/folder", "no such folder"),
    ],
)
def test_a_source_that_is_no_tree_is_refused(url: str, message: str) -> None:
    with pytest.raises(HubError, match=message):
        Hub(url)


@pytest.mark.parametrize(
    "path", ["../secret.onnx", "/etc/passwd", "a/../../secret.onnx", "C:/secret.onnx", "a\\b.onnx", "", 7, None]
)
def test_a_path_that_leaves_the_tree_is_no_entry(path: Any, tmp_path: Path) -> None:
    bad = {**entry("x.onnx", b"1", None), "model_path": path}
    (tmp_path / "secret.onnx").write_bytes(b"1")
    manifest = parse_manifest(json.dumps([bad, entry("small-9.onnx", b"1", None)]).encode(), "m")
    assert [info.stem for info in manifest.infos] == ["small-9"]
    assert len(manifest.problems) == 1 and "model_path" in manifest.problems[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a manifest in JSON"),
        (b"{}", "expected a JSON list of models, found dict"),
        (b'[{"a": Infinity}]', "Infinity is no JSON"),
        (b"[" * 100_000, "expected a manifest in JSON: nested too deeply"),
        (b"\xff\xfe", "expected a manifest in JSON"),
        (b"9" * 5000, "expected a manifest in JSON"),
    ],
    ids=["empty", "no list", "infinity", "nested", "no text", "long number"],
)
def test_a_manifest_that_is_no_list_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(HubError, match=message):
        parse_manifest(content, "m")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"opset_version": "9"}, "opset_version is '9', no opset"),
        ({"opset_version": True}, "opset_version is True, no opset"),
        ({"model": ""}, "no title in 'model'"),
        ({"metadata": None}, "no object 'metadata'"),
        ({"metadata": {"model_sha": "../../x"}}, "model_sha is '../../x', no SHA-256"),
        ({"metadata": {"model_bytes": -1}}, "model_bytes is -1, no size"),
        ({"metadata": {"tags": "vision"}}, "tags are no list of words"),
        ({"metadata": {"model_with_data_path": "../x.tar.gz"}}, "model_with_data_path is '../x.tar.gz'"),
    ],
)
def test_an_entry_that_is_not_as_it_should_be_is_named(change: dict[str, Any], problem: str) -> None:
    content = json.dumps([{**entry("a-9.onnx", b"1", None), **change}, 7]).encode()
    manifest = parse_manifest(content, "m")
    assert manifest.infos == ()
    assert problem in manifest.problems[0]
    assert manifest.problems[1] == "entry 1: expected an object, found int"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["model", "model_path", "onnx_version", "opset_version", "metadata"]
METADATA = ["model_sha", "model_bytes", "tags", "io_ports", "model_with_data_path", "model_with_data_bytes"]


@settings(max_examples=300)
@given(
    change=st.dictionaries(st.sampled_from(KEYS), JSON),
    inner=st.dictionaries(st.sampled_from(METADATA), JSON),
    more=JSON,
)
def test_whatever_an_entry_says_it_is_used_or_named(change: Any, inner: Any, more: Any) -> None:
    good = entry("vision/a-9.onnx", b"1", b"2")
    good["metadata"] |= inner
    manifest = parse_manifest(json.dumps([{**good, **change}, more]).encode(), "m")
    assert len(manifest.infos) + len(manifest.problems) == 2
    for info in manifest.infos:
        assert info.names and info.row and isinstance(info.tags, set)
        for file in filter(None, (info.model_file, info.archive)):
            assert ".." not in file.path.split("/") and not file.path.startswith("/")


def test_a_link_in_a_tree_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    source = manifest_of(tmp_path / "tree", entry("small-9.onnx", b"secret", None))
    (source / "small-9.onnx").symlink_to(secret)
    with pytest.raises(HubError, match=r"'small-9\.onnx' is a link"):
        hub.download_model("small", str(source), cache=tmp_path / "cache")


def test_a_file_without_size_or_hash_is_refused(tmp_path: Path) -> None:
    bare = entry("small-9.onnx", b"1", None)
    del bare["metadata"]["model_sha"]
    with pytest.raises(HubError, match=r"no size or SHA-256 of small-9\.onnx, so that it cannot be verified"):
        hub.download_model("small", str(manifest_of(tmp_path, bare)), cache=tmp_path / "cache")


def test_a_model_is_loaded_by_name(tmp_path: Path) -> None:
    model = scaling_model(np.ones(4, np.float32)).SerializeToString()
    source = write_tree(tmp_path / "tree", {"small-9.onnx": model})
    manifest_of(source, entry("small-9.onnx", model, None))
    assert zoosmith.hub.load("small", str(source), cache=tmp_path / "cache").graph.name == "scale"


def test_an_archive_is_unpacked_beside_itself(tmp_path: Path) -> None:
    source = archive_tree(tmp_path / "tree", "small/model.onnx")
    folder = hub.download_model_with_test_data("small", str(source), cache=tmp_path / "cache")
    assert (folder / "small/model.onnx").read_bytes() == b"model"
    assert hub.download_model_with_test_data("small", str(source), cache=tmp_path / "cache") == folder


def test_an_archive_with_unsafe_members_is_refused(tmp_path: Path) -> None:
    source = archive_tree(tmp_path / "tree", "../../evil")
    with pytest.raises(zoosmith.ZoosmithError, match="climbs out of the folder"):
        hub.download_model_with_test_data("small", str(source), cache=tmp_path / "cache")
    assert not list(tmp_path.rglob("evil"))


def archive_tree(folder: Path, member: str) -> Path:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo(member)
        info.size = 5
        tar.addfile(info, io.BytesIO(b"model"))
    write_tree(folder, {"small-9.tar.gz": packed.getvalue()})
    return manifest_of(folder, entry("small-9.onnx", b"model", packed.getvalue()))


def test_the_project_carries_the_hashes_of_the_published_files() -> None:
    assert len(pinned_infos()) == 80
    info = parse_manifest(json.dumps([published("12")]).encode(), "m").infos[0]
    pin = pinned_info(info)
    assert pin is not None and pin.model_sha == info.model_sha and license_of(info) == "MIT"
    assert pinned_info(parse_manifest(json.dumps([entry("a-9.onnx", b"", None)]).encode(), "m").infos[0]) is None


def test_a_published_file_is_known_by_its_hash_under_its_right_name() -> None:
    named = {info.stem: named_by_hash(info.model_sha or "") for info in pinned_infos()}
    wrong = {stem: name for stem, name in named.items() if name != f"{stem}.onnx"}
    assert wrong == {
        "densenet-6": "densenet-9.onnx",
        "googlenet-3": "googlenet-7.onnx",
        "googlenet-6": "googlenet-9.onnx",
    }


def test_another_trees_file_of_a_published_name_is_told_from_the_published_one(tmp_path: Path) -> None:
    made = b"made of other weights"
    path = f"{DENSENET}-12.onnx"
    source = manifest_of(tmp_path / "tree", entry(path, made, None, opset=12, title="DenseNet-121-12"))
    write_tree(source, {path: made})
    fetched = Hub(str(source), cache=tmp_path).fetch(Hub(str(source)).find("densenet"))
    assert (fetched.pinned, fetched.path.read_bytes()) == (False, made)
    assert fetched.published == pinned_infos_sha("12")
    assert fetched.license is None  # that of the published weights is not that of these
    assert hashlib.sha256(made).hexdigest() in fetched.notes[0] and pinned_infos_sha("12") in fetched.notes[0]


def pinned_infos_sha(row: str) -> str:
    return str(published(row)["metadata"]["model_sha"])


def test_the_mirror_is_held_to_the_published_hash_whatever_its_manifest_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = published("12")["metadata"]["model_bytes"]
    forged = b"0" * size
    path = f"{DENSENET}-12.onnx"
    files = {path: forged, MANIFEST_NAME: json.dumps([entry(path, forged, None, opset=12)]).encode()}
    with served(Served(files)) as mirror:
        monkeypatch.setattr(fetching, "DEFAULT_SOURCE", mirror.url)
        with pytest.raises(HubError, match=f"SHA-256 is .*, expected {pinned_infos_sha('12')}; nothing is kept"):
            Hub(mirror.url, cache=tmp_path).fetch(Hub(mirror.url).find("densenet"))


def test_the_default_source_is_the_mirror_of_the_zoos_files() -> None:
    assert hub.DEFAULT_REPO == DEFAULT_SOURCE
    assert DEFAULT_SOURCE == "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main"


@pytest.mark.parametrize(
    ("card", "found"),
    [
        ("# A\n\n## License\n\nMIT\n", "MIT"),
        ("## Licence\n[Apache-2.0](x)\n", "[Apache-2.0](x)"),
        ("### license\nBSD\n\n## More", "BSD"),
        ("# A\nLicense is free", None),
        ("## License", None),
    ],
)
def test_the_licence_is_what_stands_below_the_cards_heading(card: str, found: str | None) -> None:
    assert license_in(card) == found


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n", 12),
        (b"version https://hawser.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n", 12),
        (b"version https://git-lfs.github.com/spec/v1\next-0-x sha256:1\noid sha256:" + b"a" * 64 + b"\nsize 1\n", 1),
        (b"version https://git-lfs.github.com/spec/v1\n", None),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n" + b"x" * 2000, None),
        (b"\x08\x03", None),
        (b"", None),
    ],
)
def test_a_git_lfs_pointer_is_known_by_its_lines(content: bytes, size: int | None) -> None:
    found = parse_pointer(content)
    assert (None if found is None else found.size) == size
