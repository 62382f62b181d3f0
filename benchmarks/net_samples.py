"""Inputs of the right kind for a net: what `int8_command.py` calibrates on, and what it measures on.

Arrays in NAME.npz beside NAME.onnx come first. A net of pictures gets photographs, or lines of text drawn with the
fonts of the machine where its name or its wide input says that it reads text; a net of sound gets tones with the
envelope and the noise of speech; any other gets random inputs of sizes on which it runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image, ImageDraw, ImageFont

from zoosmith.onnx_model.ports import Port, input_ports
from zoosmith.validation import InputSource, preprocessing, runner_for
from zoosmith.validation.inputs.fitting import fitting_cases

# parts of names -> preprocessing, and height and width where the model leaves them open
PICTURES = {
    "ppocrv5_cls": ("torchvision", (80, 160)),
    "_cls": ("tensorflow", (48, 192)),
    "_rec": ("tensorflow", (48, 320)),
    "_det": ("torchvision", (320, 320)),
    "nudenet": ("unit", (320, 320)),
    "nsfw": ("none", (224, 224)),
    "captcha": ("unit", (50, 155)),
    "common": ("unit", (64, 256)),
    "mtcnn_pnet": ("tensorflow", (96, 96)),
    "mtcnn": ("tensorflow", (48, 48)),
}
_USUAL = ("torchvision", (224, 224))
TEXT = ("_rec", "_cls", "_det", "captcha", "common", "orientation", "layout")
SOUND = ("vad", "nmp", "pitch")
# samples in a chunk of a net of sound, where the model leaves it open
_CHUNK = 576
_RATE = 16000
# open sizes of other nets, larger ones first
_OPEN_SIZES = (32, None)

_WORDS = (
    "the",
    "quick",
    "brown",
    "1234",
    "Invoice",
    "No.",
    "58",
    "total",
    "amount",
    "due",
    "zoo",
    "97.5",
    "%",
    "Q7",
    "xk",
)


@dataclass(frozen=True)
class NetSamples:
    """Inputs by name, what kind they are of, and what the command is told to make pictures of the same layout."""

    kind: str
    cases: list[dict[str, Any]]
    options: tuple[str, ...] = ()


def samples_of(path: Path, model: onnx.ModelProto, count: int, photographs: Path) -> NetSamples:
    """`count` inputs of a net, or as many as its file of arrays holds."""
    beside = path.with_suffix(".npz")
    if beside.exists():
        with np.load(beside) as held:
            arrays = dict(held)
        number = min(count, *(len(each) for each in arrays.values()))
        cases = [{name: each[index, None] for name, each in arrays.items()} for index in range(number)]
        return NetSamples("arrays", cases)
    name = path.stem.lower()
    ports = [port for port in input_ports(model.graph) if port.required]
    if any(part in name for part in SOUND):
        return NetSamples("sound", sounds(ports, count))
    channels = channels_of(ports)
    if channels is None:
        return NetSamples("random", random_cases(model, count))
    return pictures_of(name, ports[0], channels, count, photographs)


def channels_of(ports: list[Port]) -> tuple[int, int] | None:
    """Axis and number of the channels of a net of pictures; None where it is none."""
    shape = ports[0].shape or ()
    if len(ports) != 1 or len(shape) != 4 or ports[0].elem_type != onnx.TensorProto.FLOAT:
        return None
    return next(((axis, size) for axis in (1, 3) if (size := shape[axis]) in (1, 3)), None)  # type: ignore[misc]


def pictures_of(name: str, port: Port, channels: tuple[int, int], count: int, photographs: Path) -> NetSamples:
    axis, number = channels
    convention, usual = next((value for part, value in PICTURES.items() if part in name), _USUAL)
    shape = port.shape or ()
    axes = [each for each in (1, 2, 3) if each != axis]
    height, width = (known(shape[each]) or size for each, size in zip(axes, usual, strict=True))
    is_text = any(part in name for part in TEXT)
    images = lines_of_text(count, (height, width)) if is_text else photographs_in(photographs, count)
    prepare = preprocessing(convention)
    cases = []
    for image in images:
        array = prepare(image, (height, width))
        array = array.mean(axis=0, keepdims=True) if number == 1 else array
        cases.append({port.name: np.ascontiguousarray(np.moveaxis(array, 0, axis - 1))[None]})
    options = ["--preprocess", convention]
    if known(shape[axes[0]]) is None or known(shape[axes[1]]) is None:
        options += ["--input", f"{port.name}={','.join(map(str, cases[0][port.name].shape))}"]
    return NetSamples("text" if is_text else "photographs", cases, tuple(options))


def known(size: object) -> int | None:
    return size if isinstance(size, int) and size > 0 else None


def photographs_in(folder: Path, count: int) -> Iterator[Image.Image]:
    """Spread over a folder, in an order that mixes its classes."""
    paths = sorted(each for each in folder.iterdir() if each.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for index in np.random.RandomState(0).permutation(len(paths))[:count]:
        yield Image.open(paths[index])


def lines_of_text(count: int, size: tuple[int, int]) -> Iterator[Image.Image]:
    """Words in the fonts of this machine, dark on light or light on dark, a little noisy; several lines where high."""
    height, width = size
    fonts = sorted(Path("/usr/share/fonts").rglob("*.ttf"))
    for index in range(count):
        random = np.random.RandomState(index)
        ground, ink = (tuple(int(value) for value in random.randint(*limits, 3)) for limits in ((170, 256), (0, 90)))
        if random.rand() < 0.25:
            ground, ink = ink, ground
        # with the margin that preprocessing cuts off
        image = Image.new("RGB", (round(width * 8 / 7), round(height * 8 / 7)), ground)
        draw = ImageDraw.Draw(image)
        line = height if width >= 1.5 * height else height // random.randint(6, 16)
        chosen = fonts[random.randint(len(fonts))] if fonts else None
        pixels = max(8, int(line * random.uniform(0.5, 0.75)))
        font = ImageFont.truetype(str(chosen), pixels) if chosen else ImageFont.load_default(pixels)
        top = height // 14
        while top + line <= image.height:
            words = " ".join(_WORDS[each] for each in random.randint(0, len(_WORDS), 2 + width // (line * 2)))
            draw.text((width // 14 + 2, top + (line - pixels) // 2), words, fill=ink, font=font)
            top += line
        noisy = np.asarray(image, np.float64) + random.randn(image.height, image.width, 3) * random.uniform(0, 8)
        yield Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def sounds(ports: list[Port], count: int) -> list[dict[str, Any]]:
    """For each float input with a long axis a piece of sound; zeros for states, 16,000 for a rate."""
    cases = []
    for index in range(count):
        case: dict[str, Any] = {}
        for port in ports:
            shape = port.shape or ()
            if not shape:
                case[port.name] = np.array(_RATE, np.int64)
                continue
            sizes = [known(size) or (1 if axis == 0 else None) for axis, size in enumerate(shape)]
            is_state = any(size == 128 for size in sizes)
            sizes = [size or (1 if is_state else _CHUNK) for size in sizes]
            sound = np.zeros(sizes) if is_state else speech(int(np.prod(sizes)), index).reshape(sizes)
            case[port.name] = sound.astype(np.float32)
        cases.append(case)
    return cases


def speech(length: int, seed: int) -> np.ndarray:
    """A voice-like tone (harmonics of a moving pitch under a slow envelope) in noise, of one loudness a seed."""
    random = np.random.RandomState(seed)
    time = np.arange(length) / _RATE
    pitch = random.uniform(90, 260) * (1 + 0.1 * np.sin(2 * np.pi * random.uniform(1, 4) * time + random.rand()))
    phase = 2 * np.pi * np.cumsum(pitch) / _RATE
    voice = sum(np.sin(k * phase + random.rand()) / k ** random.uniform(0.7, 1.5) for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * random.uniform(2, 5) * time + random.rand() * 6) + 0.4, 0, 1)
    loudness = 10 ** random.uniform(-2, -0.4)
    return np.asarray(loudness * (0.3 * voice * envelope + 0.1 * random.rand() * random.randn(length)))


def random_cases(model: onnx.ModelProto, count: int, sizes: Sequence[int | None] = _OPEN_SIZES) -> list[dict[str, Any]]:
    """Random inputs of sizes on which the model runs: larger ones where they fit."""
    run = runner_for(model).run
    names = set(open_names(port for port in input_ports(model.graph) if port.required))
    for size in sizes:
        source = InputSource(dims=dict.fromkeys(names, size)) if size else InputSource()
        try:
            [case] = fitting_cases(model, run, source, 1, same_sizes=True)
        except Exception:  # sizes that the model does not take
            continue
        return InputSource(dims=case.sizes, shapes=source.shapes).cases(model, count)
    raise ValueError("no sizes found on which it runs")


def open_names(ports: Iterator[Port]) -> Iterator[str]:
    """Names of open sizes other than the batch."""
    for port in ports:
        yield from (size for size in (port.shape or ())[1:] if isinstance(size, str) and "batch" not in size)
