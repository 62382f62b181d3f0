"""`zoosmith report`, and `--html` of the commands that have a page."""

import webbrowser
from pathlib import Path

import onnx
import pytest

from tests.zoosmith.cli.test_json import CALLS, call, here  # noqa: F401
from tests.zoosmith.html_report.reports import OLD_REPORT, write_folder
from zoosmith.cli.application import COMMANDS

WITH_PAGE = ["opset", "quantize", "simplify", "evaluate", "bench", "validate", "audit"]


def test_the_page_is_written_beside_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = write_folder(tmp_path / "zoo", OLD_REPORT)
    code, printed, _ = call(capsys, "report", str(out))
    assert code == 0
    assert printed.startswith(f"{out / 'report.html'}: ")
    assert "<title>Old" in (out / "report.html").read_text()


def test_open_shows_the_page_in_the_browser(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    out = write_folder(tmp_path / "a zoo", OLD_REPORT)
    call(capsys, "report", str(out), "--open", "-o", str(tmp_path / "x.html"))
    assert shown == [(tmp_path / "x.html").as_uri()]


def test_the_page_of_one_model_does_not_take_the_place_of_the_zoos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [{"name": "a/net", "key": "k", "error": None, "report": OLD_REPORT}]
    out = write_folder(tmp_path / "zoo", {"passed": True, "models": models})
    code, _, err = call(capsys, "report", str(out), "--model", "a/net")
    assert code == 2
    assert "--model a/net needs -o FILE.html" in err
    assert call(capsys, "report", str(out), "--model", "a/net", "-o", str(tmp_path / "net.html"))[0] == 0
    assert "<title>Old" in (tmp_path / "net.html").read_text()


def test_a_folder_without_a_report_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "report", str(tmp_path))
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path / 'report.json'}: ")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("command", WITH_PAGE)
def test_html_writes_the_result_as_a_page(
    here: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    # of a model this small no layer is faster in integers
    every = ["--every-layer"] if command == "quantize" else []
    code, out, err = call(capsys, *CALLS[command][0], *every, "--html", "p.html", "-q")
    assert (code, out) == (0, ""), err
    page = Path("p.html").read_text()
    assert f"<h1>zoosmith {command}" in page
    assert "<table" in page or command == "simplify"
    if command == "evaluate":
        assert page.count("data:image/jpeg;base64,") == 3
    if command == "opset":
        assert "What became of each operator" in page


def test_a_model_is_not_overwritten_by_a_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    code, _, err = call(capsys, "bench", "m.onnx", "--html", "m.onnx")
    assert code == 2
    assert "expected a name that ends in .html" in err
    onnx.load("m.onnx")


def test_every_command_takes_json_and_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        names = [command, "list"] if command == "runtime" else [command]
        _, out, _ = call(capsys, *names, "--help")
        assert "--json" in out and "--quiet" in out, command
