"""The page of a trace in a real browser: it opens from a file, and works by mouse and by keyboard."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from failure_modes.checker.experiment.catalogue import catalogue, failure_mode
from failure_modes.checker.report.pages.graph import write_graph
from failure_modes.checker.report.pages.index import write_index
from failure_modes.checker.report.pages.page import write_page
from tests.checker.report.browser import browser
from tests.checker.report.test_index_page import entries, graphs
from tests.checker.report.test_page import both

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAME = "both_commit_after_the_lease_ran_out"
WIDE, NARROW = 1280, 400


@pytest.fixture(scope="module")
def started() -> Iterator["Browser"]:
    """The browser of this file."""
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page, as a file."""
    path = tmp_path_factory.mktemp("pages") / "a page.html"
    write_page(path, both(NAME), command="replay it", home="index.html")
    return path.as_uri()


class Opened:
    """A page that is open, and what it did."""

    def __init__(self, started: "Browser", address: str, *, width: int = WIDE, scheme: str = "light") -> None:
        dark = scheme == "dark"
        self.context = started.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)

    @property
    def shown(self) -> list[str]:
        """The headings of the details that can be seen."""
        texts = self.page.locator(".detail:visible h3").all_inner_texts()
        return [" ".join(text.lower().split()) for text in texts]


@pytest.fixture
def opened(started: "Browser", address: str) -> Iterator[Opened]:
    """The page, at the width of a laptop."""
    one = Opened(started, address)
    yield one
    one.context.close()


def test_it_opens_at_the_violation_and_asks_for_nothing_else(opened: Opened, address: str) -> None:
    """The violation and the first divergence are in view; no error, and no request but the page itself."""
    assert opened.errors == []
    assert opened.requests == [address]
    assert [text[:14] for text in opened.shown] == ["broken step 8 ", "guarded step 8"]
    inspector = opened.page.locator(".inspector").bounding_box()
    assert inspector is not None
    for state in ("broken", "diverged"):
        box = opened.page.locator(f".hit.{state}").bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= inspector["y"]


def test_a_click_on_a_step_shows_that_step_of_both_systems(opened: Opened) -> None:
    """With the statements that ran, the rows, the audit and the processes."""
    opened.page.locator("#a2").click()
    assert [text[:14] for text in opened.shown] == ["broken step 2 ", "guarded step 2"]
    detail = opened.page.locator("#d-a2").inner_text()
    assert "INSERT INTO executions" in detail
    assert "lease · leased · A · job-1 · exec-1" in detail
    opened.page.locator(".jump.diverged").click()
    assert "60 s in the system" in opened.page.locator(".detail:visible .message").first.inner_text()


def test_it_works_by_keyboard(opened: Opened) -> None:
    """Arrows go from step to step and from system to system; other keys jump, show and hide."""
    keyboard = opened.page.keyboard
    keyboard.press("ArrowUp")
    assert opened.shown[0].startswith("broken step 7")
    keyboard.press("Home")
    keyboard.press("ArrowRight")
    assert opened.page.evaluate("document.activeElement.id") == "b1"
    assert opened.shown[1].startswith("guarded step 1")
    keyboard.press("v")
    assert opened.page.evaluate("document.activeElement.id") == "a8"
    keyboard.press("d")
    assert opened.page.evaluate("document.activeElement.id") == "a7"
    keyboard.press("Escape")
    assert opened.shown == []
    keyboard.press("Enter")
    assert opened.shown[0].startswith("broken step 7")
    keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "fold"


def test_a_narrow_page_shows_one_system_and_never_scrolls_sideways(started: "Browser", address: str) -> None:
    """On a phone the other system is behind a tab."""
    narrow = Opened(started, address, width=NARROW)
    assert len(narrow.shown) == 1
    assert narrow.page.evaluate("document.documentElement.scrollWidth") == NARROW
    narrow.page.get_by_role("button", name="guarded", exact=True).click()
    assert narrow.shown[0].startswith("guarded step 8")
    narrow.context.close()


CUT = """
() => [...document.querySelectorAll(".detail:not([hidden]) table")]
    .map(table => table.closest(".scroll"))
    .filter(box => box === null || box.getBoundingClientRect().right > document.documentElement.clientWidth)
    .length
"""


@pytest.mark.parametrize("name", ["page", "graph"])
def test_no_table_of_a_narrow_page_is_cut(
    name: str, started: "Browser", address: str, tmp_path: Path
) -> None:
    """Each is within a box that is in view; a table that is wider than its box scrolls in it."""
    if name == "graph":
        path = tmp_path / "graph.html"
        write_graph(path, failure_mode("FM_005"), graphs("FM_005"))
        address = path.as_uri()
    narrow = Opened(started, address, width=NARROW)
    assert narrow.page.locator(".detail:visible table").count() > 1
    assert narrow.page.evaluate(CUT) == 0
    assert narrow.page.evaluate("document.querySelector('.panels').scrollWidth") <= NARROW
    assert narrow.page.locator(".run:visible").count() == (2 if name == "graph" else 1)
    narrow.context.close()


def _luminance(opened: Opened) -> float:
    """How light the ground is: 0 to 1."""
    color = opened.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    numbers = [int(part) for part in color[4:-1].split(",")]
    return sum(numbers) / 3 / 255


def test_it_is_light_or_dark_as_the_reader_likes(started: "Browser", address: str) -> None:
    """The ground follows what the reader prefers."""
    schemes = [Opened(started, address, scheme=scheme) for scheme in ("light", "dark")]
    light, dark = [_luminance(one) for one in schemes]
    assert light > 0.9
    assert dark < 0.15
    for one in schemes:
        one.context.close()


def test_the_index_filters_its_traces(started: "Browser", tmp_path: Path) -> None:
    """By invariant, by length, by words, and by what stands in the address."""
    path = tmp_path / "index.html"
    write_index(path, entries(), catalogue())
    opened = Opened(started, f"{path.as_uri()}#invariant=INV_001")
    shown = opened.page.locator(".entries > li:visible")
    assert shown.count() == 2
    opened.page.locator("input[name=steps]").fill("8")
    assert shown.count() == 1
    opened.page.locator("button[type=reset]").click()
    opened.page.wait_for_function("location.hash === ''  || location.hash === '#'")
    assert shown.count() == 3
    opened.page.locator("input[name=words]").fill("Lease slow")
    assert shown.count() == 1
    assert opened.errors == []
    assert [url for url in opened.requests if url.partition("#")[0] != path.as_uri()] == []
    opened.context.close()


def test_a_state_graph_is_walked_by_keyboard(started: "Browser", tmp_path: Path) -> None:
    """It opens at the break; the arrows go back along the shortest way, and a click shows another state."""
    path = tmp_path / "graph.html"
    write_graph(path, failure_mode("FM_009"), graphs("FM_009"))
    opened = Opened(started, path.as_uri())
    assert "job-1 is held by two executions at once" in opened.page.locator(".detail:visible").inner_text()
    for _ in range(5):
        opened.page.keyboard.press("ArrowUp")
    assert "the start" in opened.page.locator(".detail:visible").inner_text()
    opened.page.keyboard.press("ArrowDown")
    assert opened.page.locator(".detail:visible .way li").all_inner_texts() == ["Enqueue k1"]
    opened.page.locator("#b0").click()
    assert opened.page.locator(".detail:visible h3").inner_text().lower().startswith("guarded")
    assert opened.errors == []
    opened.context.close()
