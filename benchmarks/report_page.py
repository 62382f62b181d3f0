"""Size, load time and accessibility of a report's page in a real browser: PAGE [AXE.js].

Needs Debian's chromium and chromium-driver, and selenium. The load time is the median of five loads from
disk, from the start of the navigation to the end of the load event.
"""

import shutil
import statistics
import sys
from pathlib import Path

from selenium import webdriver

LOADS = 5


def main(page: Path, axe: Path | None) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    service = webdriver.chrome.service.Service(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        times = []
        for _ in range(LOADS):
            driver.get(page.resolve().as_uri())
            times.append(driver.execute_script("return performance.getEntriesByType('navigation')[0].loadEventEnd"))
        plots = driver.execute_script("return document.querySelectorAll('svg').length")
        print(f"FIGURE {page.name}: {page.stat().st_size:,} bytes, {plots} plots")
        print(f"FIGURE load: {statistics.median(times):.0f} ms (median of {LOADS}, slowest {max(times):.0f} ms)")
        if axe is not None and axe.is_file():
            driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe.read_text(encoding="utf-8")})
            found = driver.execute_async_script("const done = arguments[0]; axe.run().then(done)")
            serious = [each["id"] for each in found["violations"] if each["impact"] in {"serious", "critical"}]
            rest = len(found["violations"]) - len(serious)
            print(
                f"FIGURE barriers: {len(serious)} serious {serious}, {rest} others, {len(found['passes'])} rules passed"
            )
    finally:
        driver.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
