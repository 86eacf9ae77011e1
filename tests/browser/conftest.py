"""A real headless Chromium that shows the pages; the tests skip where there is none."""

import base64
import shutil
from pathlib import Path

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which root has to say
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # a page that asks the network gets an error in its console
)
TOO_WIDE = """
const page = document.documentElement.clientWidth, wide = [];
const scrolls = e => /auto|scroll|hidden/.test(getComputedStyle(e).overflowX);
for (const e of document.body.querySelectorAll("*")) {
  let inside = false;
  for (let up = e.parentElement; up; up = up.parentElement) inside ||= scrolls(up) || up.tagName == "svg";
  const box = e.getBoundingClientRect();
  if (!inside && box.width && (box.right > page + 1 || box.left < -1)) wide.push(e.outerHTML.slice(0, 120));
}
if (document.documentElement.scrollWidth > page) wide.push("the page scrolls sideways");
return wide;
"""
CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]));
const light = colour => colour.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const behind = e => { const layers = [];
  for (; e; e = e.parentElement) layers.unshift(rgba(getComputedStyle(e).backgroundColor));
  return layers.reduce((under, top) => over(top, under), rgba("Canvas").slice(0, 3)); };
const low = [], text = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (text.nextNode()) {
  const e = text.currentNode.parentElement, style = getComputedStyle(e);
  if (!text.currentNode.data.trim() || !e.checkVisibility() || /^(SCRIPT|STYLE|OPTION)$/.test(e.tagName)) continue;
  const under = behind(e), ink = rgba(e.closest("svg") ? style.fill : style.color);
  const [dark, bright] = [light(over(ink, under)), light(under)].sort((a, b) => a - b);
  const contrast = (bright + .05) / (dark + .05);
  if (contrast < arguments[0]) low.push(`${contrast.toFixed(2)}: ${text.currentNode.data.trim().slice(0, 60)}`);
}
return low;
"""


class Browser:
    """One window; ``driver`` is selenium's, for whatever is not here."""

    def __init__(self) -> None:
        from selenium.webdriver import Chrome, ChromeOptions
        from selenium.webdriver.chrome.service import Service

        options = ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in FLAGS:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options, Service(DRIVER))  # a named driver: selenium looks for none and loads none

    def open(self, path: Path, width: int = 1400, height: int = 900, *, dark: bool = False, media: str = "screen"):
        """Show a file of this machine, at a width of the page in pixels."""
        self.errors()  # those of an earlier page are forgotten
        self.emulate(dark=dark, media=media)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(path.resolve().as_uri())
        return self

    def emulate(self, *, dark: bool = False, media: str = "screen") -> None:
        """Prefer dark or light colours, on the screen or on paper (``print``)."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})

    def js(self, script: str, *arguments):
        """Run a script in the page; give what it returns."""
        return self.driver.execute_script(script, *arguments)

    def errors(self) -> list[str]:
        """What the console has said since it was last asked, other than plain messages."""
        return [row["message"] for row in self.driver.get_log("browser") if row["level"] in ("SEVERE", "WARNING")]

    def too_wide(self) -> list[str]:
        """Elements that stick out of the page and are in no box that scrolls."""
        return self.js(TOO_WIDE)

    def low_contrast(self, least: float = 4.5) -> list[str]:
        """Texts whose colour is too near to the one behind them, in HTML and in inline SVG."""
        return self.js(CONTRAST, least)

    def screenshot(self, path: Path) -> Path:
        """Write the whole page as PNG."""
        whole = {"format": "png", "captureBeyondViewport": True}
        path.write_bytes(base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", whole)["data"]))
        return path

    def pdf(self, path: Path) -> Path:
        """Print the page, on A4, to a file."""
        from selenium.webdriver.common.print_page_options import PrintOptions

        paper = PrintOptions()
        paper.page_width, paper.page_height = 21.0, 29.7
        path.write_bytes(base64.b64decode(self.driver.print_page(paper)))
        return path


@pytest.fixture(scope="session")
def browser():
    """A Chromium for all tests: starting it takes most of a second."""
    pytest.importorskip("selenium", reason="selenium is not installed (the extra dev)")
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium and chromedriver on this machine (Debian's packages chromium and chromium-driver)")
    started = Browser()
    yield started
    started.driver.quit()
