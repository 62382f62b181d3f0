"""Where models come from and go to that is no plain file: links, pipes, devices, the standard output."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from zoosmith.onnx_model import load_model
from zoosmith.onnx_model.links import LinkedPath


def zoosmith(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "zoosmith", *words]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=120)


@pytest.mark.parametrize(
    "words",
    [
        "opset conv.onnx -o {} --to 14",
        "convert plain.pb -o {} --input x=2,3",
        "simplify conv.onnx -o {} --no-verify",
        "quantize conv.onnx -o {} --calibrate random --samples 2 --force",
    ],
)
def test_a_model_on_the_standard_output_is_the_file_and_nothing_else(sound: Path, words: str, tmp_path: Path) -> None:
    written = zoosmith(sound, *words.format(tmp_path / "file.onnx").split())
    assert written.returncode == 0, written.stderr
    printed = zoosmith(sound, *words.format("-").split())
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout == (tmp_path / "file.onnx").read_bytes()
    assert b"/dev/stdout" in printed.stderr


def test_a_device_is_written_to_and_stays_one(sound: Path) -> None:
    words = "opset conv.onnx --to 14 -o"
    printed, same = (zoosmith(sound, *words.split(), name) for name in ("-", "/dev/stdout"))
    assert (same.returncode, same.stdout) == (0, printed.stdout)
    assert zoosmith(sound, *words.split(), "/dev/null").returncode == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_the_standard_output_is_written_behind_what_is_there(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"head\n")
    with open(tmp_path / "log", "ab") as log:
        command = [sys.executable, "-m", "zoosmith", "opset", "conv.onnx", "-o", "-", "--to", "14", "-q"]
        subprocess.run(command, cwd=sound, stdout=log, check=True)
    assert (tmp_path / "log").read_bytes().startswith(b"head\n\x08")


def test_a_model_that_needs_a_data_file_cannot_go_there(tmp_path: Path) -> None:
    source = linked_model(tmp_path, link=False)
    done = zoosmith(tmp_path, "opset", str(source), "-o", "-", "--to", "14", "--no-verify")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"needs a file of data beside it" in done.stderr


def linked_model(folder: Path, *, link: bool = True) -> Path:
    """A model as a cache keeps it: files by hash, and links to them under their names."""
    blobs, names = folder / "blobs", folder / "names"
    blobs.mkdir()
    names.mkdir()
    ports = [onnx.helper.make_tensor_value_info(name, 1, [128, 160]) for name in "xy"]
    weight = onnx.numpy_helper.from_array(np.arange(128 * 160, dtype="f").reshape(128, 160), "w")
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", ports[:1], ports[1:], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, blobs / "0a", save_as_external_data=True, location="w.bin", size_threshold=0)
    (blobs / "w.bin").rename(blobs / "1b")
    for name, blob in (("m.onnx", "0a"), ("w.bin", "1b")):
        if link:
            (names / name).symlink_to(f"../blobs/{blob}")
        else:
            (names / name).write_bytes((blobs / blob).read_bytes())
    return names / "m.onnx"


def test_links_to_data_are_followed_only_where_asked_for(tmp_path: Path) -> None:
    source = str(linked_model(tmp_path))
    commands = {
        "inspect": [source],
        "opset": [source, "-o", "o.onnx", "--to", "14"],
        "simplify": [source, "-o", "s.onnx"],
        "bundle": [source, "-o", "b.tar.gz"],
        "bench": [source, "--runs", "1"],
    }
    for name, words in commands.items():
        refused = zoosmith(tmp_path, name, *words)
        assert refused.returncode == 2 and b"is a link, which only --follow-links" in refused.stderr, name
        assert zoosmith(tmp_path, name, *words, "--follow-links").returncode == 0, name
    expected = np.arange(128 * 160, dtype="f").reshape(128, 160)
    linked = load_model(LinkedPath(source)), load_model(source, follow_links=True)
    for loaded in (*linked, load_model(tmp_path / "o.onnx")):
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(loaded.graph.initializer[0]), expected)


def test_a_linked_data_file_beside_a_model_that_is_no_link_is_verified_too(tmp_path: Path) -> None:
    source = linked_model(tmp_path)
    content = source.read_bytes()
    source.unlink()
    source.write_bytes(content)
    done = zoosmith(tmp_path, "opset", str(source), "-o", "o.onnx", "--to", "14", "--follow-links")
    assert done.returncode == 0 and b"verified" in done.stdout, done.stderr


def test_a_source_folder_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    source = linked_model(tmp_path, link=False)
    before = sorted(os.listdir(source.parent))
    source.parent.chmod(0o555)
    try:
        (tmp_path / "out").mkdir()
        opset = ["opset", str(source), "-o", "out/o.onnx", "--to", "14"]
        for words in (opset, ["simplify", str(source), "-o", "out/s.onnx"]):
            assert zoosmith(tmp_path, *words).returncode == 0
        assert sorted(os.listdir(source.parent)) == before
    finally:
        source.parent.chmod(0o755)


def test_onnx_runtime_keeps_no_record_in_the_users_folders(sound: Path, tmp_path: Path) -> None:
    homes = {name: str(tmp_path / name) for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    kept = {name: text for name, text in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-m", "zoosmith", "opset", "conv.onnx", "-o", str(tmp_path / "o.onnx"), "--to", "14"]
    subprocess.run(command, cwd=sound, env={**kept, **homes}, check=True, capture_output=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["o.onnx"]
