"""Models whose tensors lie in files beside them, and files that are none: pipes, devices, links, folders."""

import os
from collections.abc import Mapping
from pathlib import Path

from onnx import TensorProto

from tests.attacks.attack import ANY, ATTACKS, REFUSED, Attack, Builder
from tests.attacks.commands import COMMANDS
from tests.attacks.model_building import with_weight


def model(entries: Mapping[str, str], dims: tuple[int, ...] = (2, 3), kind: int = 1) -> bytes:
    tensor = TensorProto(dims=dims, data_type=kind, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return with_weight(tensor).SerializeToString(deterministic=True)


def located(location: str, **more: object) -> Builder:
    def build(folder: Path) -> Path:
        made = folder / "model"
        made.mkdir()
        (folder / "payload").write_bytes(b"another's bytes " * 4)
        (made / "w.bin").write_bytes(bytes(24))
        (made / "sub").mkdir()
        (made / "sub" / "w.bin").write_bytes(bytes(24))
        (made / "link").symlink_to("../payload")
        (made / "folder-link").symlink_to("..")
        (made / "dangling").symlink_to("nowhere")
        (made / "circle").symlink_to("circle")
        os.mkfifo(made / "pipe")
        os.link(folder / "payload", made / "hard")
        entries = {"location": location.format(folder=folder), **{key: str(value) for key, value in more.items()}}
        (made / "m.onnx").write_bytes(model(entries))
        return made / "m.onnx"

    return build


LOCATIONS = {
    "climbs": "../payload",
    "climbs_inside": "sub/../../payload",
    "absolute": "{folder}/payload",
    "absolute_device": "/dev/zero",
    "device_by_climbing": "../" * 30 + "dev/zero",
    "link": "link",
    "folder_link": "folder-link/payload",
    "dangling": "dangling",
    "circle": "circle",
    "pipe": "pipe",
    "folder": "sub",
    "itself": ".",
    "nothing": "",
    "missing": "no-such-file",
    "backslash": "..\\payload",
    "drive": "C:\\payload",
    "share": "\\\\host\\share\\payload",
    "nul": "w.bin\0x",
    "long": "a" * 5000,
    "deep": "a/" * 2000 + "w.bin",
    "title": "\x1b]0;TITLE\x07",
    "fake_line": "a\n18 of 18 checks passed",
    "url": "https://example.com/w.bin",
    "home": "~/w.bin",
    "proc": "../" * 30 + "proc/self/environ",
}
SPANS: dict[str, dict[str, object]] = {
    "offset_negative": {"offset": -1},
    "offset_beyond": {"offset": 1 << 40},
    "offset_no_number": {"offset": "x"},
    "offset_float": {"offset": "1.5"},
    "offset_of_5000_digits": {"offset": "9" * 5000},
    "length_negative": {"length": -24},
    "length_short": {"length": 20},
    "length_long": {"length": 48},
    "length_of_2_62": {"length": 2**62},
    "length_no_number": {"length": "x"},
}

ATTACKS.extend(Attack(name, "external", located(where), REFUSED) for name, where in LOCATIONS.items())
ATTACKS.extend(Attack(name, "external", located("w.bin", **more), REFUSED) for name, more in SPANS.items())


def _with_shape(dims: tuple[int, ...], kind: int = 1) -> Builder:
    def build(folder: Path) -> Path:
        (folder / "w.bin").write_bytes(bytes(24))
        (folder / "m.onnx").write_bytes(model({"location": "w.bin"}, dims, kind))
        return folder / "m.onnx"

    return build


for _name, _dims, _kind in (
    ("dims_2_62", (2**62,), 1),
    ("dims_negative", (-2, -3), 1),
    ("dims_overflow", (2**33, 2**33, 6), 1),
    ("dims_65", (1,) * 65, 1),
    ("file_too_short", (2, 4), 1),
    ("of_strings", (2, 3), 8),
    ("of_type_77", (2, 3), 77),
):
    ATTACKS.append(Attack(_name, "external", _with_shape(_dims, _kind), REFUSED))


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def _link_to_device(folder: Path) -> Path:
    (folder / "device").symlink_to("/dev/zero")
    return folder / "device"


def _circle(folder: Path) -> Path:
    (folder / "circle").symlink_to("circle")
    return folder / "circle"


def _folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


NO_FILES: dict[str, Builder] = {
    "pipe": _pipe,
    "device": lambda folder: Path("/dev/zero"),
    "random_device": lambda folder: Path("/dev/urandom"),
    "link_to_device": _link_to_device,
    "circle": _circle,
    "empty_folder": _folder,
    "missing": lambda folder: folder / "nowhere",
    "missing_title": lambda folder: folder / "\x1b]0;TITLE\x07",
    "name_too_long": lambda folder: folder / ("n" * 5000),
    "below_a_file": lambda folder: Path(__file__) / "x",
}
for _kind_of_file in COMMANDS:
    if _kind_of_file != "target":
        ATTACKS.extend(
            Attack(f"no_file_{name}", _kind_of_file, build, REFUSED if name != "empty_folder" else ANY)
            for name, build in NO_FILES.items()
        )


def _file_as_folder(folder: Path) -> Path:
    (folder / "file").write_bytes(b"x")
    return folder / "file" / "o.onnx"


TARGETS: dict[str, Builder] = {
    "pipe": _pipe,
    "full_device": lambda folder: Path("/dev/full"),
    "zero_device": lambda folder: Path("/dev/zero"),
    "folder": _folder,
    "circle": _circle,
    "file_as_folder": _file_as_folder,
    "name_too_long": lambda folder: folder / ("n" * 300),
    "proc": lambda folder: Path("/proc/self/o.onnx"),
}
ATTACKS.extend(Attack(name, "target", build, REFUSED) for name, build in TARGETS.items())
