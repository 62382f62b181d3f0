"""Pages in a real browser: Debian's chromium, driven by selenium; axe-core (npm) looks for barriers."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.zoosmith.html_report.reports import HOSTILE, bench_output, full_report, write_folder
from zoosmith.html_report import draw_folder

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: no page is tried in a browser")
pytest.importorskip("matplotlib", reason="matplotlib is not installed: there are no plots to look at")

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
AXE = Path(os.environ.get("AXE_CORE", "node_modules/axe-core"), "axe.min.js")
# pixels
DESKTOP, PHONE = (1280, 900), (375, 800)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium is not installed: no page is tried in a browser"),
]


class Browser:
    """A browser, and what its pages asked for and complained of."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.chrome.service.Service(DRIVER)
        self.driver = webdriver.Chrome(options=options, service=service)

    def show(self, page: Path, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(page.as_uri())

    def ask(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def requests(self) -> list[str]:
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    opened = Browser()
    yield opened
    opened.driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("full"), "Net")


def drawn(folder: Path, name: str) -> Path:
    write_folder(folder, full_report(name), bench_output())
    path = folder / "report.html"
    path.write_text(draw_folder(folder).html, encoding="utf-8")
    return path


def first_column(browser: Browser, table: str = "table") -> list[str]:
    script = "return [...document.querySelector(arguments[0]).tBodies[0].rows].filter(r => !r.hidden)"
    return browser.ask(f"{script}.map(r => r.cells[0].textContent.trim())", table)


@pytest.mark.parametrize("name", ["Net", HOSTILE])
def test_nothing_is_complained_of_and_no_request_leaves_the_page(browser: Browser, tmp_path: Path, name: str) -> None:
    path = drawn(tmp_path, name)
    browser.requests(), browser.complaints()
    browser.show(path)
    time.sleep(0.5)
    assert browser.complaints() == []
    assert [url for url in browser.requests() if url != path.as_uri() and not url.startswith("data:")] == []


def test_the_policy_stops_a_script_that_came_in(browser: Browser, page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("</main>", "<script>document.title = 'run'</script></main>")
    (tmp_path / "x.html").write_text(text, encoding="utf-8")
    browser.show(tmp_path / "x.html")
    assert browser.driver.title != "run"
    assert any("Content Security Policy" in each for each in browser.complaints())


def test_every_plot_is_drawn(browser: Browser, page: Path) -> None:
    browser.show(page)
    boxes = browser.ask(
        "return [...document.querySelectorAll('svg')].map(s => [s.getBoundingClientRect().width,"
        " s.getBoundingClientRect().height, s.querySelectorAll('path, use').length, s.querySelectorAll('text').length])"
    )
    assert len(boxes) == 9
    for width, height, shapes, texts in boxes:
        assert width > 200 and height > 80 and shapes > 3 and texts > 2


def test_a_heading_sorts_by_numbers_both_ways_by_keyboard_too(browser: Browser, page: Path) -> None:
    browser.show(page)
    assert first_column(browser)[:4] == ["net-7.onnx", "net-9.onnx", "net-12.onnx", "net-12-int8.onnx"]
    at = browser.ask(
        "return [...document.querySelectorAll('table')[0].tHead.rows[0].cells]"
        ".findIndex(h => h.textContent.includes('data set 0'))"
    )
    button = browser.driver.find_elements("css selector", "table thead button")[at]
    button.click()
    assert first_column(browser) == ["net-9.onnx", "net-Net.onnx", "net-12.onnx", "net-12-int8.onnx", "net-7.onnx"]
    button.send_keys("\n")
    assert first_column(browser)[0] == "net-7.onnx"
    assert browser.ask("return document.querySelectorAll('th[aria-sort=descending]').length") == 1


def test_a_table_filters_and_says_how_many_rows_are_left(browser: Browser, page: Path) -> None:
    browser.show(page)
    field = browser.driver.find_elements("css selector", ".tools input")[0]
    field.send_keys("INT8 onnx")
    files = browser.ask("return document.querySelector('.tools input').closest('.table').querySelector('table').id")
    assert first_column(browser, f"#{files}") == ["model/net-12-int8.onnx"]
    assert browser.ask("return document.getElementById(arguments[0] + '-count').textContent", files) == "1 of 10 rows"


def test_a_long_table_shows_its_first_rows_and_all_on_demand(browser: Browser, page: Path) -> None:
    browser.show(page)
    layers = "[...document.querySelectorAll('.table')].find(t => t.textContent.includes('Layers of'))"
    shown = f"return {layers}.querySelectorAll('tbody tr:not([hidden])').length"
    assert browser.ask(shown) == 25
    assert browser.ask(f"return {layers}.querySelector('.count').textContent") == "The first 25 of 40 rows"
    browser.ask(f"{layers}.querySelector('.tools button').click()")
    assert browser.ask(shown) == 40
    browser.ask(f"{layers}.querySelector('.tools button').click()")
    browser.ask(f"const i = {layers}.querySelector('input'); i.value = 'conv39'; i.dispatchEvent(new Event('input'))")
    assert browser.ask(f"return {layers}.querySelector('tbody tr:not([hidden]) code').textContent") == "conv39"


def test_a_cell_opens_to_its_figure_and_limit(browser: Browser, page: Path) -> None:
    browser.show(page)
    browser.driver.find_element("css selector", "td summary.bad").click()
    shown = browser.ask("return document.querySelector('td details[open] dl').innerText")
    assert "Figure: largest error in standard deviations" in shown and "Limit: atol" in shown


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_barrier_is_serious_and_nothing_stands_beyond_the_edge(
    browser: Browser, page: Path, size: tuple[int, int], dark: bool
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm install axe-core): no page is searched for barriers")
    browser.show(page, size, dark=dark)
    assert browser.ask("return document.documentElement.scrollWidth <= window.innerWidth")
    browser.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
    found = browser.driver.execute_async_script("const done = arguments[0]; axe.run().then(done)")
    assert len(found["passes"]) > 20
    serious = [(each["id"], each["nodes"][0]["html"]) for each in found["violations"] if each["impact"] in SERIOUS]
    assert serious == []


SERIOUS = {"serious", "critical"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_plots_take_the_colour_of_the_page(browser: Browser, page: Path, dark: bool) -> None:
    browser.show(page, dark=dark)
    text, back = browser.ask(
        "const text = document.querySelector('svg text'); return [getComputedStyle(text).fill,"
        " getComputedStyle(document.body).backgroundColor]"
    )
    assert brightness(text) > 500 if dark else brightness(text) < 150
    assert brightness(back) < 150 if dark else brightness(back) > 700


def brightness(color: str) -> int:
    return sum(int(part) for part in color.partition("(")[2].rstrip(")").split(",")[:3])


def test_it_prints_on_a4(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.show(page)
    printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert len(printed["data"]) > 10_000
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    # 210 mm without margins, at 96 pixels an inch
    metrics = {"width": 688, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    hidden = "return [...document.querySelectorAll('nav, .tools')].every(e => getComputedStyle(e).display === 'none')"
    assert browser.ask(hidden)
    widths = "return [...document.querySelectorAll('table')].map(t => Math.round(t.getBoundingClientRect().right))"
    assert max(browser.ask(widths)) <= 688
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize(
    ("name", "size", "dark"), [("desktop", DESKTOP, False), ("phone", PHONE, False), ("dark", DESKTOP, True)]
)
def test_screenshots_are_taken_for_people_to_look_at(
    browser: Browser, page: Path, tmp_path: Path, name: str, size: tuple[int, int], dark: bool
) -> None:
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    browser.show(page, size, dark=dark)
    folder.mkdir(parents=True, exist_ok=True)
    assert browser.driver.save_screenshot(str(folder / f"{name}.png"))
    assert (folder / f"{name}.png").stat().st_size > 10_000
