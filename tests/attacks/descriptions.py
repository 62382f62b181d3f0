"""What describes models: cards and zoos in TOML, manifests in JSON."""

import json
from pathlib import Path
from typing import Any

from tests.attacks.attack import ANY, ATTACKS, Attack, Builder, Content, add_files, made

TOML: dict[str, Content] = {
    "empty": b"",
    "not_utf8": b'title = "\xff\xfe"',
    "nonsense": b"hello world",
    "cut": b'title = "abc',
    "unknown_key": b"nonsense = 1",
    "number": b"title = 1",
    "infinity": b"title = inf",
    "date": b"title = 1979-05-27",
    "number_of_5000_digits": b"title = " + b"9" * 5000,
    "nested_lists": b"tags = " + b"[" * 5000 + b"]" * 5000,
    "nested_keys": b"a." * 5000 + b"a = 1",
    "nested_tables": b"[" + b"a." * 5000 + b"a]",
    "twice": b'title = "a"\ntitle = "b"',
    "folder_climbs": b'title = "t"\nfolder = "../../out"',
    "folder_absolute": b'title = "t"\nfolder = "/tmp/out"',
    "folder_nul": b'title = "t"\nfolder = "a\\u0000b"',
    "title_escape": b'title = "\\u001b]0;T\\u0007"\nnonsense = 1',
    "key_escape": b'"\\u001b[2J" = 1',
    "key_fake_line": b'"x\\n18 of 18 checks passed" = 1',
    "license_escape": b'license = "\\u001b[2J"',
    "preprocess_unknown": b'preprocess = "\\u001b[2J"',
    "50_mb": lambda: b"#" * (50 << 20),
}
add_files("card", TOML, ".toml", ANY)

ENTRY = "[[model]]\nname = 'n'\nmodel = 'conv.onnx'\n"
ZOOS: dict[str, Content] = {
    **TOML,
    "no_models": b"model = []",
    "model_as_text": b'model = "x"',
    "missing_file": b"[[model]]\nmodel = 'nowhere.onnx'",
    "file_climbs": b"[[model]]\nmodel = '../../../../etc/passwd'",
    "file_device": b"[[model]]\nmodel = '/dev/zero'",
    "name_climbs": b"[[model]]\nname = '../../evil'\nmodel = '/dev/null'",
    "seed_negative": b"[[model]]\nseed = -1\nmodel = '/dev/null'",
    "dim_huge": b"[[model]]\nmodel = '/dev/null'\ndim = {N = 4611686018427387904}",
    "input_of_nothing": b"[[model]]\nmodel = '/dev/null'\ninput = {x = ''}",
}
add_files("zoo", ZOOS, ".toml", ANY)


def entry(**changes: Any) -> dict[str, Any]:
    metadata = {"model_sha": "0" * 64, "model_bytes": 9, "tags": ["vision"], "io_ports": {"inputs": [], "outputs": []}}
    metadata.update(changes.pop("metadata", {}))
    return {
        "model": "conv",
        "model_path": "conv/conv-13.onnx",
        "onnx_version": "1.8",
        "opset_version": 13,
        "metadata": metadata,
        **changes,
    }


def _json(*entries: Any) -> bytes:
    return json.dumps(list(entries)).encode()


MANIFESTS: dict[str, Content] = {
    "empty": b"",
    "object": b"{}",
    "number": b"7",
    "nested": b"[" * 100_000,
    "nan": b"[NaN]",
    "not_utf8": b'["\xff"]',
    "number_of_5000_digits": b"[" + b"9" * 5000 + b"]",
    "entries_of_nothing": _json(None, 1, "x", [], {}),
    "path_climbs": _json(entry(model_path="../../../../../../etc/passwd")),
    "path_absolute": _json(entry(model_path="/etc/passwd")),
    "path_device": _json(entry(model_path="../../../../../../dev/zero")),
    "path_url": _json(entry(model_path="http://127.0.0.1:9/x.onnx")),
    "path_backslash": _json(entry(model_path="..\\..\\x")),
    "path_nul": _json(entry(model_path="conv/a\0b.onnx")),
    "path_escape": _json(entry(model_path="conv/\x1b[2J-13.onnx")),
    "path_long": _json(entry(model_path="conv/" + "a" * 5000)),
    "title_escape": _json(entry(model="\x1b]0;TITLE\x07")),
    "title_fake_line": _json(entry(model="x\n18 of 18 checks passed")),
    "opset_text": _json(entry(opset_version="13")),
    "opset_huge": _json(entry(opset_version=10**30)),
    "bytes_negative": _json(entry(metadata={"model_bytes": -1})),
    "bytes_huge": _json(entry(metadata={"model_bytes": 10**30})),
    "bytes_text": _json(entry(metadata={"model_bytes": "9"})),
    "sha_short": _json(entry(metadata={"model_sha": "0"})),
    "sha_escape": _json(entry(metadata={"model_sha": "\x1b[2J"})),
    "tags_number": _json(entry(metadata={"tags": 7})),
    "tags_escape": _json(entry(metadata={"tags": ["\x1b[2J"]})),
    "ports_nonsense": _json(entry(metadata={"io_ports": {"inputs": [7], "outputs": "x"}})),
    "ports_shape_nested": _json(entry(metadata={"io_ports": {"inputs": [{"name": "x", "shape": [[[]]], "type": 7}]}})),
    "metadata_list": _json({**entry(), "metadata": []}),
    "archive_climbs": _json(entry(metadata={"model_with_data_path": "../../../../../etc/passwd"})),
    "surrogate": b'[{"model": "\\ud800"}]',
    "twice": _json(entry(), entry()),
    "many": lambda: _json(*[entry(model_path=f"conv/conv{k}-13.onnx") for k in range(2000)]),
}


def _tree(content: Content) -> Builder:
    def build(folder: Path) -> Path:
        tree = folder / "tree"
        (tree / "conv").mkdir(parents=True)
        (tree / "conv" / "conv-13.onnx").write_bytes(b"no model")
        (tree / "ONNX_HUB_MANIFEST.json").write_bytes(made(content))
        return tree / "ONNX_HUB_MANIFEST.json"

    return build


ATTACKS.extend(Attack(name, "manifest", _tree(content), ANY) for name, content in MANIFESTS.items())
