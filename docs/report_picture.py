"""Make docs/images/report.png: the first screen of the report on digits, as a browser shows it.

    .venv/bin/python docs/report_picture.py [AUDIT.JSON]

Needs Debian's Chromium. With the JSON of an earlier audit nothing is computed again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import widthwise as ww

PICTURE = Path(__file__).parent / "images" / "report.png"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def main(arguments: list[str]) -> None:
    """Render the report and photograph its top."""
    if arguments:
        result = ww.AuditResult.from_json(Path(arguments[0]).read_text(encoding="utf-8"))
    else:
        result = ww.audit("digits", progress=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as browsers:
        report = Path(folder) / "report.html"
        result.to_html(report)
        browser = browsers.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 860, "height": 1440}, color_scheme="light")
        page.goto(report.as_uri())
        page.screenshot(path=str(PICTURE))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
