"""Pages of builds and of commands, as text: the browser is not needed for these."""

import base64
import hashlib
import json
import re
import sys
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.zoosmith.html_report.reports import (
    HOSTILE,
    OLD_REPORT,
    bench_output,
    full_report,
    picture,
    share,
    write_folder,
)
from zoosmith.html_report import ReportError, draw_command, draw_folder, svg
from zoosmith.quantize.report import Summary

# without a closing tag
VOID = {"meta", "br", "img", "input"}


class Elements(HTMLParser):
    """The elements of a page, and whether each is closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.inside == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def draw(folder: Path, report: dict[str, Any], *beside: dict[str, Any]) -> str:
    return draw_folder(write_folder(folder, report, *beside)).html


def test_names_from_files_are_text_wherever_they_stand(tmp_path: Path) -> None:
    page = Elements(draw(tmp_path, full_report(HOSTILE), bench_output(HOSTILE)))
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert all("onerror" not in attributes for _, attributes in page.found)
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert "alert(1)" in page.text
    assert not set(page.text) & {"\x1b", "\u202e", "\x00"}


def hostile(value: Any, kept: tuple[str, ...] = ("jpeg",)) -> Any:
    """A result in which every text is hostile, but those that the drawing reads."""
    if isinstance(value, dict):
        return {key: each if key in kept else hostile(each, kept) for key, each in value.items()}
    if isinstance(value, list):
        return [hostile(each, kept) for each in value]
    return HOSTILE if isinstance(value, str) else value


PROOF = {
    "verdict": "close",
    "passed": True,
    "original": {"runtime": "a", "version": "b"},
    "inputs": "random",
    "reason": "c",
}
LAYER = {"name": "a", "op_type": "b", "snr_db": 20.0, "minimum": -1.0, "maximum": 1.0, "clipped": 0.1}
RESULTS: dict[str, dict[str, Any]] = {
    "opset": {
        "input": "a", "output": "b", "for": "c", "from": 9, "to": 12, "proof": PROOF,
        "operators": [{"operator": "a", "from": 1, "to": 2, "how": "b", "nodes_before": 3, "nodes_after": 3}],
        "caveats": [{"node": "a", "operator": "b", "kind": "c", "reason": "d"}],
    },
    "quantize": {"model": "a", "output": "b", "kept_in_float": ["d"], "layers": [LAYER], "proof": PROOF},
    "simplify": {"model": "a", "output": "b", "nodes_before": 2, "nodes": 1, "proof": PROOF},
    "evaluate": {
        "data": "a", "preprocess": "b", "disturb": "c", "images": 4, "pictures": [picture("d")],
        "models": [{"model": "e", "top1": share(90), "top5": share(99)}],
        "agreements": [{"first": "e", "second": "f", "same_top1": share(97)}],
    },
    "bench": bench_output()["result"],
    "validate": {
        "bundle": "a", "passed": False, "atol": 1e-5,
        "sets": {HOSTILE: {"passed": False, "max_scaled": 0.1, "reason": "b", "outputs": [{"name": "c"}]}},
    },
    "audit": {
        "files": [{"file": "a", "kind": "b", "checks": [{"check": "c", "verdict": "d", "defects": ["e"]}]}]
    },
}  # fmt: skip


@pytest.mark.parametrize("command", RESULTS)
def test_no_text_of_a_command_becomes_markup(command: str) -> None:
    result = hostile(RESULTS[command])
    for each in result.get("pictures", []):
        each["name"], each["answers"] = HOSTILE, {HOSTILE: [{"class": 0, "name": HOSTILE, "score": 0.5}]}
    page = Elements(draw_command(command, HOSTILE, result))
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert "alert(1)" in page.text
    assert not set(page.text) & {"\x1b", "\u202e", "\x00"}


def test_a_page_of_quantize_has_what_the_command_says() -> None:
    summary = Summary(
        bytes=2_000_000,
        bytes_before=8_000_000,
        convolutions=3,
        float_conversions=2,
        error=0.01,
        slow="e",
        cosine=0.9875,
    )
    layers = [
        {**LAYER, "name": name, "snr_db": 30.0, "alone_db": alone} for name, alone in (("cheap", 60.5), ("dear", 20.5))
    ]
    page = Elements(draw_command("quantize", "a", {"model": "a", "output": "b", **asdict(summary), "layers": layers}))
    for words in (
        "Size, of 8.0 MB",
        "4.00 times",
        "2.0 MB of 8.0 MB",
        "0.9875",
        "Of the outputs, this layer alone (dB)",
    ):
        assert words in page.text
    assert page.text.index("20.5") < page.text.index("60.5")


def test_no_text_of_a_zoo_becomes_markup(tmp_path: Path) -> None:
    models = [
        {"name": HOSTILE, "error": None, "report": hostile(full_report(), ("jpeg", "path"))},
        {"name": f"b{HOSTILE}", "error": HOSTILE, "report": None},
    ]
    page = Elements(draw(tmp_path, {"passed": False, "models": models}))
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert not set(page.text) & {"\x1b", "\u202e", "\x00"}


def test_what_is_no_jpeg_is_no_picture(tmp_path: Path) -> None:
    report = full_report()
    for each in report["accuracy"]["pictures"]:
        each["jpeg"] = base64.b64encode(b"<svg onload=alert(1)>").decode()
    assert Elements(draw(tmp_path, report)).all("img") == []


def test_the_policy_allows_the_page_its_own_script_and_style_by_hash_alone(tmp_path: Path) -> None:
    page = draw(tmp_path, full_report())
    policy = next(meta["content"] for meta in Elements(page).all("meta") if meta.get("http-equiv"))
    assert policy is not None and "unsafe" not in policy and "http" not in policy
    assert policy.startswith("default-src 'none'")
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_nothing_needs_a_network_nor_an_attribute_that_the_policy_ignores(tmp_path: Path) -> None:
    page = Elements(draw(tmp_path, full_report(), bench_output()))
    for tag, attributes in page.found:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        for name in ("src", "href", "xlink:href"):
            assert str(attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
        assert "url(" not in str(attributes) or "url(#" in str(attributes)


def test_ids_are_unique_and_what_refers_to_one_finds_it(tmp_path: Path) -> None:
    page = Elements(draw(tmp_path, full_report(), bench_output()))
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.found:
        for name in ("aria-labelledby", "aria-describedby", "data-for"):
            assert not attributes.get(name) or attributes[name] in ids
        if str(attributes.get("href") or "").startswith("#"):
            assert str(attributes["href"])[1:] in ids


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    first = draw(tmp_path / "a", full_report(), bench_output())
    assert draw(tmp_path / "b", full_report(), bench_output()) == first
    assert not re.search(r"\b20[23]\d-\d\d", first)


def test_every_plot_of_what_a_build_knows_is_drawn_with_its_text(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'zoosmith[report]'")
    drawn = draw_folder(write_folder(tmp_path, full_report(), bench_output()))
    page = Elements(drawn.html)
    titles = (
        "Error against the limit", "Rows of fewer bits: 1 - cosine against the limit",
        "Size against latency and accuracy",
        "Accuracy on Net, 500 images", "Same best answer", "Signal-to-noise ratio along the net",
        "Ranges and clipping, worst layers first", "Latency of every round",
    )  # fmt: skip
    assert [title for title in titles if title not in page.text] == []
    assert len(page.all("svg")) == len(page.all("figcaption")) == drawn.plots == 9
    assert len([each for each in page.all("div") if each.get("role") == "img" and each.get("aria-describedby")]) == 9
    assert drawn.sources == ("report.json", "bench.json")


def test_a_failed_check_opens_to_its_figure_and_limit(tmp_path: Path) -> None:
    page = draw(tmp_path, full_report())
    cell = re.search(r'<summary class="bad">failed 0\.001</summary>(.*?)</details>', page, re.DOTALL)
    assert cell is not None
    assert "Figure: largest error in standard deviations" in cell[1]
    assert "Limit: atol" in cell[1]


def test_a_report_of_an_older_zoosmith_is_drawn_as_far_as_it_goes(tmp_path: Path) -> None:
    page = draw(tmp_path, OLD_REPORT)
    assert '<dt>Checks passed</dt><dd class="good">1 of 1</dd>' in page
    assert "old-9.onnx" in page


def test_a_zoo_has_a_row_for_each_model_and_for_each_that_failed(tmp_path: Path) -> None:
    models = [
        {"name": "a/net", "key": "k", "error": None, "report": full_report("First")},
        {"name": "b/net", "key": "k", "error": "no such file", "report": None},
    ]
    page = draw(tmp_path, {"passed": False, "models": models})
    assert '<dt>Models passed</dt><dd class="bad">0 of 2</dd>' in page
    assert "no such file" in page
    assert "a/net: Files" in page


def zoo(count: int) -> dict[str, Any]:
    passing = {**full_report(), "passed": True}
    passing["rows"] = [{**row, "passed": True} for row in passing["rows"][1:]] * 3
    models = [{"name": f"vision/net{at}", "key": "k", "error": None, "report": passing} for at in range(count)]
    models[3]["report"] = full_report("Broken")
    return {"passed": False, "models": models}


def test_of_a_large_zoo_every_row_is_listed_and_what_failed_is_drawn_in_full(tmp_path: Path) -> None:
    page = draw(tmp_path, zoo(100))
    text = Elements(page).text
    assert len(page.encode()) < 2_000_000
    assert page.count('<th scope="row">vision/net42</th>') == 1 + 12
    assert "vision/net3: Layers of net-12-int8.onnx" in text
    assert "vision/net4: Rows" not in text
    assert "99 models stand in the tables only" in text
    assert re.search(r"Every check that failed.*vision/net3.*data set 0: error.*max_scaled|0\.001", text, re.DOTALL)


def test_the_page_of_one_model_of_a_zoo_is_drawn(tmp_path: Path) -> None:
    write_folder(tmp_path, zoo(5))
    assert "<title>Broken" in draw_folder(tmp_path, "vision/net3").html
    with pytest.raises(ReportError, match=r"no report of model 'net3'; did you mean 'vision/net3'\?"):
        draw_folder(tmp_path, "net3")


def test_numbers_stand_at_the_right_of_their_column(tmp_path: Path) -> None:
    page = draw(tmp_path, full_report())
    assert re.search(r'<td class="number" data-order="8000000.0">8,000,000</td>', page)
    assert not re.search(r'<td class="number"[^>]*><details>', page)


def test_without_matplotlib_the_page_has_its_tables_and_says_how_to_get_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not svg.can_draw()
    page = draw(tmp_path, full_report())
    assert "<svg" not in page
    assert "pip install &#39;zoosmith[report]&#39;" in page or "pip install 'zoosmith[report]'" in page
    assert "net-12-int8.onnx" in page


def test_a_full_report_is_small(tmp_path: Path) -> None:
    assert len(draw(tmp_path, full_report(), bench_output()).encode()) < 500_000


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "damaged or unsupported"),
        ("[]", "expected an object, found a list"),
        ("{}", "found neither rows nor models"),
        ('{"rows": 3}', "rows: expected a list, found a number"),
        ('{"rows": [{"checks": [1]}]}', r"rows\[0\]: checks\[0\]: expected an object, found a number"),
        ('{"rows": [], "title": []}', "title: expected text, found a list"),
    ],
)
def test_what_is_no_report_is_one_line(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ReportError, match=expected) as raised:
        draw_folder(tmp_path)
    assert str(tmp_path / "report.json") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_numbers_that_are_none_are_dashes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plot is an extra")
    report = full_report()
    figure = report["rows"][1]["checks"][1]["figure"]
    figure["max_scaled"], figure["cosine"] = float("nan"), 10**400
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert "Error against the limit" in draw_folder(tmp_path).html


def test_json_files_that_are_no_output_of_a_command_are_left_alone(tmp_path: Path) -> None:
    write_folder(tmp_path, full_report())
    (tmp_path / "ONNX_HUB_MANIFEST.json").write_text("[]")
    (tmp_path / "other.json").write_text('{"command": "rm", "result": {}}')
    assert draw_folder(tmp_path).sources == ("report.json",)


def test_a_command_that_wrote_nothing_failed() -> None:
    result = {"model": "m.onnx", "output": None, "nodes_before": 3, "nodes": 2, "proof": None}
    assert ">failed<" in draw_command("simplify", "0.1.0", result)
    assert ">passed<" in draw_command("simplify", "0.1.0", {**result, "output": "o.onnx"})


def test_an_audit_lists_its_defects_first() -> None:
    checks = [
        {"check": name, "verdict": verdict, "defects": [], "reason": ""}
        for name, verdict in (("size", "ok"), ("ports", "not checked"), ("sha-256", "defect"))
    ]
    result = {"passed": False, "files": [{"file": "a.onnx", "kind": "model", "sha256": "0", "checks": checks}]}
    text = Elements(draw_command("audit", "0.1.0", result)).text
    table = text[text.index("What was found") :]
    assert table.index("sha-256") < table.index("ports") < table.index("size")


def test_a_page_of_one_command_names_models_by_the_last_part_of_their_paths() -> None:
    models = [{"model": f"zoo/a/{name}", "top1": share(90), "top5": share(99)} for name in ("x.onnx", "y.onnx")]
    pair = {"first": "zoo/a/x.onnx", "second": "zoo/a/y.onnx", "same_top1": share(97)}
    result = {"data": "val", "images": 500, "models": models, "agreements": [pair], "pictures": [picture("p.jpg")]}
    text = Elements(draw_command("evaluate", "0.1.0", result)).text
    assert "zoo/a/" not in text
    assert "x.onnx" in text and "y.onnx" in text


def test_an_opset_conversion_shows_what_became_of_each_operator() -> None:
    operators = [
        {"operator": "Conv", "from": 1, "to": 11, "how": "kept", "nodes_before": 5, "nodes_after": 5},
        {"operator": HOSTILE, "from": 1, "to": None, "how": "decomposition", "nodes_before": 1, "nodes_after": 4},
    ]
    result = {"input": "m.onnx", "output": "o.onnx", "from": 9, "to": 12, "operators": operators, "proof": None}
    page = Elements(draw_command("opset", "0.1.0", result))
    assert "What became of each operator" in page.text
    assert len(page.all("script")) == 1
