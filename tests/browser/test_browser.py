"""The measures that other tests take of a page fail on a page that is bad."""

import pytest

BAD = """<!doctype html><title>bad</title><style>body { background: #fff; color: #777 }
@media (prefers-color-scheme: dark) { body { background: #000; color: #fff } }
@media print { p { display: none } }</style>
<div style="width: 3000px">wide <svg width="10" height="10"><text fill="#eee">faint</text></svg></div>
<p>on the screen</p><img src="https://example.org/a.png"><script>throw new Error("broken")</script>"""


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.html"
    path.write_text(BAD)
    return path


def test_sees_what_is_wrong_with_a_page(browser, bad):
    browser.open(bad, width=400)
    assert any("broken" in line for line in browser.errors())
    assert [line for line in browser.too_wide() if "3000px" in line]
    assert [line for line in browser.low_contrast() if "faint" in line]
    assert browser.js("return innerWidth") == 400


def test_no_request_leaves_the_machine(browser, bad):
    browser.open(bad)
    assert any("example.org" in line and "ERR_NAME_NOT_RESOLVED" in line for line in browser.errors())


def test_shows_dark_and_paper(browser, bad):
    shown = "return getComputedStyle(document.querySelector('p')).display"
    browser.open(bad, dark=True)
    assert browser.js("return getComputedStyle(document.body).backgroundColor") == "rgb(0, 0, 0)"
    assert browser.js(shown) == "block"
    browser.emulate(media="print")
    assert browser.js(shown) == "none"


def test_writes_images_and_paper(browser, bad, tmp_path):
    browser.open(bad)
    assert browser.screenshot(tmp_path / "bad.png").read_bytes().startswith(b"\x89PNG")
    assert browser.pdf(tmp_path / "bad.pdf").read_bytes().startswith(b"%PDF")
