"""The status page in a real browser, from the real server: it fits, it reads in both schemes, and nothing complains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from monitor.clock import ManualClock
from monitor.publish.server import Server
from monitor.publish.snapshot import Snapshot, SnapshotHolder
from tests.real_parts.browser import browser
from tests.real_parts.install import in_ci, missing_browser_parts
from tests.snapshots import HOSTILE, NOW_US, busy_snapshot, lasting_snapshot, wide_snapshot

Scheme = Literal["light", "dark"]
Open = Callable[..., Page]

#: left out by `make unit`, as all that needs more than Python
pytestmark = pytest.mark.kafka

SNAPSHOTS: Final = {
    "busy": busy_snapshot(),
    "lasting": lasting_snapshot(),
    "empty": Snapshot(),
    "wide": wide_snapshot(3, 25),
}
#: WCAG 2.1, 1.4.3, level AA
LEAST_CONTRAST: Final = 4.5
#: every visible text with its colour and the first ground that is not transparent behind it
TEXTS: Final = """() => {
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim(), own = walker.currentNode.parentElement;
        if (!text || !own.checkVisibility()) continue;
        let behind = own;
        while (behind && getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
        found.push([text, getComputedStyle(own).color, behind ? getComputedStyle(behind).backgroundColor : ""]);
    }
    return found;
}"""
#: what sticks out of the window to the right
OUTSIDE: Final = """() => [...document.querySelectorAll("body *")]
    .filter(one => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 0.5)
    .map(one => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if missing := missing_browser_parts():
        reason = f"no browser here: {'; '.join(missing)} (make real-parts)"
        if in_ci():
            pytest.fail(reason)
        pytest.skip(reason)
    with browser() as running:
        yield running


@pytest.fixture
def snapshots() -> SnapshotHolder:
    """A busy board of a monitor that is well."""
    shown = SnapshotHolder(ManualClock(NOW_US))
    shown.beat(assigned=True, restored=True, caught_up_once=True)
    shown.show(busy_snapshot())
    return shown


#: how Chromium calls a request that a navigation or the end of the test overtook
ABORTED = "net::ERR_ABORTED"


def is_of_an_icon(message: ConsoleMessage) -> bool:
    """Of an answer in plain text a browser asks for an icon, which is not there; the page brings its own."""
    return str(message.location["url"]).endswith("/favicon.ico")


@pytest.fixture
def opened(chromium: Browser, snapshots: SnapshotHolder) -> Iterator[Open]:
    """Opens the page; at the end nothing may have been said on the console, and nothing asked for but the page."""
    messages: list[str] = []
    server = Server(snapshots, "127.0.0.1", 0, clock=ManualClock(NOW_US))
    server.start()

    def opening(width: int = 1200, scheme: Scheme = "light") -> Page:
        page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.on("console", lambda message: None if is_of_an_icon(message) else messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: messages.append(dialog.message))
        page.on("requestfailed", lambda request: None if request.failure == ABORTED else messages.append(request.url))
        answer = page.goto(f"http://127.0.0.1:{server.port}/")
        assert answer is not None
        assert answer.status == 200
        return page

    try:
        yield opening
    finally:
        for context in chromium.contexts:
            context.close()
        server.close()
    assert messages == []


def unfold(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)` (WCAG 2.1)."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_measured_as_defined() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(118, 118, 118)", "rgb(255, 255, 255)") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("health", ["well", "failing", "starting"])
def test_every_text_has_enough_contrast(opened: Open, snapshots: SnapshotHolder, scheme: Scheme, health: str) -> None:
    if health != "well":
        snapshots.beat(failure="the brokers do not answer" if health == "failing" else None, caught_up_once=False)
    page = opened(scheme=scheme)
    unfold(page)
    texts: list[list[str]] = page.evaluate(TEXTS)
    assert len(texts) > 100
    faint = {tuple(text) for text in texts if contrast(text[1], text[2]) < LEAST_CONTRAST}
    assert faint == set()


def test_the_two_schemes_are_two(opened: Open) -> None:
    grounds: list[Any] = [
        opened(scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert luminance(grounds[0]) > 0.8
    assert luminance(grounds[1]) < 0.05


@pytest.mark.parametrize(("width", "snapshot"), list(product((320, 360, 1200), SNAPSHOTS)))
def test_nothing_sticks_out_sideways(opened: Open, snapshots: SnapshotHolder, width: int, snapshot: str) -> None:
    snapshots.show(SNAPSHOTS[snapshot])
    page = opened(width)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("path", ["metrics", "livez", "readyz"])
def test_links_lead_to_what_machines_read(opened: Open, path: str) -> None:
    page = opened(360)
    with page.expect_response(f"**/{path}") as answer:
        page.get_by_role("link", name=path).click()
    page.wait_for_load_state()
    assert answer.value.status in (200, 503)


def test_an_incident_leads_to_the_figures_of_its_model(opened: Open) -> None:
    page = opened(360)
    page.get_by_role("link", name="its figures").first.click()
    target = page.locator(":target")
    assert target.get_by_role("heading").inner_text().startswith("■ page credit-default/1")
    assert target.bounding_box() is not None


@pytest.mark.parametrize("width", [360, 1200])
def test_headings_tables_and_drawings_are_accessible_to_screen_readers(opened: Open, width: int) -> None:
    page = opened(width)
    unfold(page)
    headings = [one.inner_text() for one in page.get_by_role("heading", level=2).all()]
    assert headings == ["The monitor itself", "Open incidents", "Models"]
    table = page.get_by_role("table", name="Moved, or near it").first
    assert [row.inner_text() for row in table.get_by_role("rowheader").all()] == [
        "PAY_0",
        "AGE",
        "LIMIT_BAL",
        "BILL_AMT1",
    ]
    assert table.get_by_role("img", name="live against reference").count() == 3
    assert table.get_by_role("img", name="reference alone").count() == 1


def test_hostile_names_are_read_and_do_nothing(opened: Open) -> None:
    page = opened()
    shown = HOSTILE.replace("\u202e", "\ufffd")
    assert page.get_by_text(shown).count() > 3
    assert page.locator("script, img[src], [onerror]").count() == 0


def test_the_style_is_let_in_and_any_other_is_not(opened: Open) -> None:
    """The policy's hash is that of the style: without it the page would stand unstyled, which no text test sees."""
    page = opened()
    assert page.evaluate("getComputedStyle(document.querySelector('.badge.page')).borderRadius") == "4px"
