"""Run the tests of onnx's own version converter on ours, and on onnx's for comparison.

usage: onnx_converter_tests.py [--sdist onnx-X.Y.Z.tar.gz] [-k EXPRESSION]

The tests come out of onnx's source distribution, of the installed version if none is given; pip downloads it. They run
as they are, with our `convert_version` in the place of onnx's. Of the tests that fail, those are listed apart that
demand an error where we convert: the result of each is named by the operators of the model before and after.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import onnx.version_converter
import pytest
from onnx import ModelProto

from zoosmith.opset_upgrade import convert_version

ONNX_CONVERT_VERSION = onnx.version_converter.convert_version
CONVERTS_MORE = "DID NOT RAISE"


@dataclass
class Outcome:
    """What became of the tests with one converter.

    Attributes:
        passed: their number.
        failed: the line of the error, by test.
        conversions: the conversions that a test asked for and got, by test: operators and opsets, before and after.
    """

    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    conversions: dict[str, list[str]] = field(default_factory=dict)
    _test: str = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._test = report.nodeid.rsplit("::", 1)[-1]
        if report.when == "call" and report.passed:
            self.passed += 1
        elif report.failed:
            lines = [line[1:].strip() for line in report.longreprtext.splitlines() if line.startswith("E ")]
            self.failed[self._test] = lines[0] if lines else "?"

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._test = nodeid.rsplit("::", 1)[-1]

    def watching(self, converter: Callable[..., ModelProto]) -> Callable[..., ModelProto]:
        """The converter, each conversion that succeeds noted."""

        def convert(model: ModelProto, target: int) -> ModelProto:
            converted = converter(model, target)
            self.conversions.setdefault(self._test, []).append(f"{_summary(model)} -> {_summary(converted)}")
            return converted

        return convert


def _summary(model: ModelProto) -> str:
    operators = ", ".join(dict.fromkeys(node.op_type for node in model.graph.node if node.op_type != "Constant"))
    version = next((entry.version for entry in model.opset_import if not entry.domain), None)
    return f"{operators or 'no node'} at {version}"


def download(folder: Path) -> Path:
    """The source distribution of the installed onnx."""
    wanted = ("--no-deps", "--no-binary", "onnx", f"onnx=={onnx.__version__}")
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "-d", folder, *wanted], check=True)
    return next(folder.glob("onnx-*.tar.gz"))


def extract(sdist: Path, folder: Path) -> list[Path]:
    """The files of the converter's tests."""
    with tarfile.open(sdist) as archive:
        members = [entry for entry in archive if "/tests/python/version_converter" in entry.name]
        archive.extractall(folder, members, filter="data")
    found = sorted(folder.rglob("*_test.py"))
    if not found:
        raise SystemExit(f"{sdist}: has no tests of the version converter")
    return found


def run(tests: list[Path], converter: Callable[..., ModelProto], expression: str) -> Outcome:
    outcome = Outcome()
    onnx.version_converter.convert_version = outcome.watching(converter)
    options = ["-q", "--no-header", "--tb=short", "--show-capture=no", "-p", "no:cacheprovider", "-k", expression]
    root = tests[0].parent
    pytest.main([*map(str, tests), *options, "--no-summary", f"--rootdir={root}"], plugins=[outcome])
    return outcome


def lines(outcome: Outcome) -> Iterator[str]:
    more = {test: line for test, line in outcome.failed.items() if CONVERTS_MORE in line}
    yield f"\nfail because an error is demanded where we convert: {len(more)}"
    for test in more:
        yield f"  {test}: {'; '.join(outcome.conversions.get(test, []))}"
    others = {test: line for test, line in outcome.failed.items() if test not in more}
    yield f"fail for other reasons: {len(others)}"
    for test, line in others.items():
        yield f"  {test}: {line}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdist", type=Path, help="onnx's source distribution, in place of a download")
    parser.add_argument("-k", dest="expression", default="", help="run the tests that pytest selects by this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tests = extract(options.sdist or download(Path(folder)), Path(folder))
        sides = {
            "ours": run(tests, convert_version, options.expression),
            "onnx": run(tests, ONNX_CONVERT_VERSION, options.expression),
        }
    print(f"\nonnx {onnx.__version__}: tests of its version converter")
    for name, outcome in sides.items():
        print(f"{name}: {outcome.passed} of {outcome.passed + len(outcome.failed)} pass")
    print("\n".join(lines(sides["ours"])))


if __name__ == "__main__":
    main()
