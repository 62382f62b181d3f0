"""The build that several tests of this folder look at."""

from dataclasses import dataclass
from pathlib import Path

from zoosmith.results.report import Report

FOLDER = "vision/classification/densenet-121"


@dataclass(frozen=True)
class Built:
    out: Path
    report: Report

    def model(self, row: str) -> Path:
        return self.out / FOLDER / "model" / f"densenet-{row}.onnx"

    def archive(self, row: str) -> Path:
        return self.out / FOLDER / "model" / f"densenet-{row}.tar.gz"

    @property
    def card(self) -> str:
        return (self.out / FOLDER / "README.md").read_text()
