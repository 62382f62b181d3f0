"""How many decisions of a voice detector are others in integers, on recordings of speech.

python benchmarks/speech_decisions.py FOLDER FLOAT.onnx INTEGER.onnx ...

FOLDER holds recordings: WAV files of 16 bits, or .raw files of 16 kHz. Each is run as it is, and its first 40 s quiet
and with noise as well, through the float net and the integer ones, frame by frame, each net with the states that it
makes itself. Nets are those of silero-vad: frames of 512 values of 16 kHz behind 64 of the frame before, or half of
that at 8 kHz where the net has an input for the rate that it compares with. A decision is a probability above 0.5.
"""

import argparse
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from int8_real_models import session
from onnxruntime import InferenceSession

from zoosmith.quantize.samples.graph_inputs import choices

RATE = 16000
# loudness and noise of the variants
VARIANTS = ((1.0, 0.0), (0.15, 0.0005), (0.7, 0.02))
_SECONDS = 40
_FRAME, _CONTEXT = 512, 64
_STATES = ("state", "h", "c")


def recording(path: Path) -> np.ndarray:
    """Float32 at 16 kHz, of one channel."""
    if path.suffix == ".raw":
        return np.fromfile(path, "<i2").astype(np.float32) / 32768
    with wave.open(str(path)) as file:
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        return resampled(values.reshape(-1, file.getnchannels()).mean(axis=1), RATE / file.getframerate())


def resampled(values: np.ndarray, factor: float) -> np.ndarray:
    """The same sound in as many times the values, without frequencies that these do not hold."""
    if factor == 1:
        return values
    count = int(len(values) * factor)
    spectrum = np.fft.rfft(values)
    kept = np.zeros(count // 2 + 1, complex)
    both = min(len(spectrum), len(kept))
    kept[:both] = spectrum[:both]
    return np.asarray(np.fft.irfft(kept, count) * factor, np.float32)


def sounds(folder: Path, rate: int) -> Iterator[np.ndarray]:
    for path in sorted(folder.iterdir()):
        values = recording(path)
        noise = np.random.default_rng(len(values)).normal(size=len(values))
        for gain, level in VARIANTS:
            part = slice(None) if gain == 1 else slice(_SECONDS * RATE)
            yield resampled((values * gain + noise * level)[part].astype(np.float32), rate / RATE)


def probabilities(net: InferenceSession, sound: np.ndarray, rate: int) -> np.ndarray:
    """What the net says of each frame."""
    shapes = {port.name: port.shape for port in net.get_inputs()}
    states = {
        name: np.zeros([size if isinstance(size, int) else 1 for size in shapes[name]], np.float32)
        for name in _STATES
        if name in shapes
    }
    frame, context = _FRAME * rate // RATE, _CONTEXT * rate // RATE
    sound = np.concatenate([np.zeros(context, np.float32), sound])
    found = []
    for start in range(0, len(sound) - frame - context + 1, frame):
        given = {"input": sound[None, start : start + frame + context], **states}
        if "sr" in shapes:
            given["sr"] = np.array(rate)
        output, *made = net.run(None, given)
        states = dict(zip(states, made, strict=True))
        found.append(float(np.ravel(output)[0]))
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("exact", type=Path, metavar="FLOAT.onnx")
    parser.add_argument("integer", type=Path, nargs="+", metavar="INTEGER.onnx")
    arguments = parser.parse_args()
    exact = session(arguments.exact)
    for rate in (RATE, RATE // 2) if choices(onnx.load(arguments.exact)) else (RATE,):
        heard = list(sounds(arguments.folder, rate))
        wanted = np.concatenate([probabilities(exact, sound, rate) for sound in heard])
        for path in arguments.integer:
            net = session(path)
            found = np.concatenate([probabilities(net, sound, rate) for sound in heard])
            cosine = wanted @ found / np.linalg.norm(wanted) / np.linalg.norm(found)
            others = (wanted > 0.5) != (found > 0.5)
            print(
                f"{path.name}, {rate} Hz: {len(found)} frames, {(wanted > 0.5).mean():.0%} of them speech | "
                f"{others.mean():.2%} of the decisions are others ({(others & (found > 0.5)).mean():.2%} speech now) | "
                f"cosine {cosine:.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
