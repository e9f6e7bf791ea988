"""Alerts on open pages, in a real browser: a toast, a desktop notification, once, and across pages and tabs.

Deliveries are put into the database from outside, as another process of Tailrace would; one test goes the whole way,
from a fault in the world to the desktop.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.processes import end
from tests.recordings import unpack
from tests.server_process import Server

WITHIN = 15_000  # milliseconds: a page looks again every five seconds even if no bell reached it
# What is raised is kept where the test can see it; the notification itself is the browser's own.
RECORD = """
window.raised = [];
window.isHidden = false;
Object.defineProperty(document, "hidden", { get: () => window.isHidden });
const Own = window.Notification;
window.Notification = class extends Own {
  constructor(title, options) { super(title, options); window.raised.push({ title, ...options, self: this }); }
};
"""


class Deliveries:
    def __init__(self, path: Path) -> None:
        self.path, self.made = path, 0

    def lift_the_cap(self) -> None:
        """What was in the recording from the start has used up the hour."""
        with closing(sqlite3.connect(self.path, timeout=20)) as database, database:
            database.execute("UPDATE alerts_alertrule SET hourly_cap = 1000")

    def add(
        self, title: str, *, severity: str = "error", event: str = "anomaly", path: str = "/anomalies/"
    ) -> None:
        self.made += 1
        key, now = f"e2e-{self.made}-{time.time_ns()}", time.time_ns()
        message = {
            "lines": ["3 chunks were stored behind the end marker."],
            "url": f"https://elsewhere.example{path}",
        }
        with closing(sqlite3.connect(self.path, timeout=20)) as database, database:
            channel = database.execute(
                "SELECT min(id) FROM alerts_alertchannel WHERE kind = 'browser'"
            ).fetchone()[0]
            values = {
                "channel_id": channel, "event": event, "title": title, "severity": severity, "key": key,
                "message": json.dumps(message), "state": "sent", "reason": "", "attempts": 1, "created_ns": now,
                "due_ns": now, "claimed_until_ns": 0, "answer": "", "error": "", "sent_ns": now,
            }  # fmt: skip
            columns, marks = ", ".join(values), ", ".join("?" * len(values))
            database.execute(
                f"INSERT INTO alerts_delivery ({columns}) VALUES ({marks})", list(values.values())
            )


RUN, OTHER = (
    "01M803PV8HVJZASAG4ZT3JFH1S",
    "01M803PV8HVJZASAG4ZT3JFH99",
)  # eagerClose: chunks behind its end marker
ENDED = re.compile(rb'(?<="completedAt": ")[^"]+')


def happen(world: Path, workflow: bytes) -> None:
    """A faulty run of the recording once more, of another workflow: its parts first, as the SDK writes them."""
    files = [path for path in world.rglob(f"*{RUN}*") if path.is_file() and ".locks" not in path.parts]
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    for path in sorted(files, key=lambda one: ("runs" in one.parts, one.name)):
        data = path.read_bytes().replace(RUN.encode(), OTHER.encode()).replace(b"eagerClose", workflow)
        data = ENDED.sub(now.encode(), data)  # what ended before its world was added is no news
        target = path.with_name(path.name.replace(RUN, OTHER))
        target.with_suffix(".tmp").write_bytes(data)
        target.with_suffix(".tmp").rename(target)


FOUND = 15  # anomalies of the recording


def wait_for_calm(path: Path, within_s: float = 60) -> None:
    """Until all of the recording has been found, and what is told of it has been told."""
    until, told, since = time.monotonic() + within_s, -1, time.monotonic()
    while time.monotonic() < until:
        with closing(sqlite3.connect(path, timeout=20)) as database:
            (found,) = database.execute("SELECT count(*) FROM anomalies_anomaly").fetchone()
            (now,) = database.execute("SELECT count(*) FROM alerts_delivery WHERE state = 'sent'").fetchone()
        if found < FOUND or now != told:
            told, since = now, time.monotonic()
        elif time.monotonic() - since > 2:
            return
        time.sleep(0.1)
    raise AssertionError(f"{found} anomalies, {told} messages")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("toast")
    world = unpack("4.8.9", "plain", folder / "world")
    started = Server(world, folder / "data")
    started.data, started.world = folder / "data", world  # type: ignore[attr-defined]
    wait_for_calm(next(started.data.glob("*.sqlite3")))  # type: ignore[attr-defined]
    yield started
    end(started.process)


@pytest.fixture
def deliveries(server: Server) -> Deliveries:
    (path,) = server.data.glob("*.sqlite3")  # type: ignore[attr-defined]
    return Deliveries(path)


@pytest.fixture
def opened(page: Page, server: Server) -> Page:
    """A page whose socket is open and which knows where it begins."""
    page.add_init_script(RECORD)
    open_page(page, f"{server.url}/anomalies/")
    return page


def open_page(page: Page, url: str) -> None:
    with page.expect_response(lambda answer: "/alerts/toasts/" in answer.url):
        page.goto(url)
    page.wait_for_function("sessionStorage.getItem('tailrace-alerts') !== null")


def test_a_toast_says_what_and_how_bad_and_leads_there(opened: Page, deliveries: Deliveries, server: Server):
    deliveries.add("Chunks behind <b>the end</b>", path="/streams/")
    toast = opened.locator(".alert-toast")
    expect(toast).to_have_count(1, timeout=WITHIN)
    expect(toast).to_have_attribute("role", "alert")
    expect(toast.locator(".alert-toast-level")).to_have_text("Error")
    expect(toast.locator(".alert-toast-title")).to_have_text("Chunks behind <b>the end</b>")
    expect(toast.locator(".alert-toast-text")).to_have_text("3 chunks were stored behind the end marker.")
    toast.locator(".alert-toast-title").click()
    expect(opened).to_have_url(f"{server.url}/streams/")
    opened.wait_for_timeout(500)
    expect(opened.locator(".alert-toast")).to_have_count(0)  # shown once, not again on the next page


def test_what_comes_between_two_pages_is_shown_on_the_next(
    opened: Page, deliveries: Deliveries, server: Server
):
    opened.goto("about:blank")
    deliveries.add("Told in between", severity="warning")
    open_page(opened, f"{server.url}/streams/")
    expect(opened.locator(".alert-toast-title")).to_have_text("Told in between", timeout=WITHIN)
    expect(opened.locator(".alert-toast")).to_have_attribute("role", "status")


def test_a_toast_is_closed_and_many_are_counted(opened: Page, deliveries: Deliveries):
    for n in range(6):
        deliveries.add(f"Alert {n}")
    expect(opened.locator(".alert-toast-title").last).to_have_text("Alert 5", timeout=WITHIN)
    expect(opened.locator(".alert-toast")).to_have_count(4)
    expect(opened.locator(".alert-toasts-more")).to_have_text("and 2 more before these")
    opened.get_by_role("button", name="Close: Alert 5").click()
    expect(opened.locator(".alert-toast")).to_have_count(3)


def test_it_asks_for_permission_only_on_a_click(opened: Page, deliveries: Deliveries):
    opened.evaluate("""() => {
        window.asked = 0;
        Object.defineProperty(window.Notification, "permission", { get: () => "default", configurable: true });
        window.Notification.requestPermission = async () => { window.asked += 1; return "denied"; };
    }""")
    deliveries.add("May it?")
    button = opened.get_by_role("button", name="Show on the desktop too")
    expect(button).to_be_visible(timeout=WITHIN)
    assert opened.evaluate("window.asked") == 0
    button.click()
    expect(button).to_have_count(0)
    assert opened.evaluate("window.asked") == 1 and opened.evaluate("window.raised") == []


def test_a_notification_is_raised_where_it_was_allowed_and_nobody_looks(
    opened: Page, deliveries: Deliveries, server: Server
):
    opened.context.grant_permissions(["notifications"], origin=server.url)
    open_page(opened, f"{server.url}/anomalies/")
    assert opened.evaluate("Notification.permission") == "granted"
    deliveries.add("Seen on the page")
    expect(opened.locator(".alert-toast")).to_have_count(1, timeout=WITHIN)
    assert opened.evaluate("window.raised.length") == 0
    opened.evaluate("window.isHidden = true")
    deliveries.add("Told on the desktop", path="/streams/")
    expect(opened.locator(".alert-toast")).to_have_count(2, timeout=WITHIN)
    (raised,) = opened.evaluate("window.raised.map(({ title, body, tag }) => ({ title, body, tag }))")
    assert raised["title"] == "Told on the desktop" and raised["tag"].startswith("e2e-")
    assert raised["body"] == "3 chunks were stored behind the end marker."
    opened.evaluate("window.raised[0].self.dispatchEvent(new Event('click'))")
    expect(opened).to_have_url(f"{server.url}/streams/")


def test_a_fault_that_happens_now_is_on_the_page_and_on_the_desktop(
    opened: Page, deliveries: Deliveries, server: Server
):
    opened.context.grant_permissions(["notifications"], origin=server.url)
    open_page(opened, f"{server.url}/anomalies/")
    opened.evaluate("window.isHidden = true")
    deliveries.lift_the_cap()
    happen(server.world, b"otherClose")  # type: ignore[attr-defined]
    told = opened.locator(".alert-toast", has_text="Write after close in otherClose")
    expect(told).to_have_count(1, timeout=2 * WITHIN)
    expect(told).to_contain_text("5 chunks are stored behind the end marker")
    assert "Write after close in otherClose" in opened.evaluate("window.raised.map(({ title }) => title)")
    told.locator(".alert-toast-title").click()
    expect(opened).to_have_url(re.compile(r"/anomalies/\d+/$"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_toasts_have_no_serious_fault_for_people_with_a_screen_reader(
    opened: Page, deliveries: Deliveries, axe: Callable[[Page], list[str]], scheme: str
):
    opened.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for severity, event in (
        ("info", "report"),
        ("warning", "anomaly"),
        ("critical", "anomaly"),
        ("info", "recovered"),
    ):
        deliveries.add(
            f"A title that is {severity}, and long enough for two lines", severity=severity, event=event
        )
    expect(opened.locator(".alert-toast")).to_have_count(4, timeout=WITHIN)
    toasts = [opened.locator(".alert-toast").nth(n).bounding_box() for n in range(4)]
    assert all(above["y"] + above["height"] <= below["y"] for above, below in pairwise(toasts))  # type: ignore[index]
    assert axe(opened) == []


@pytest.mark.parametrize("width", [375, 800])
def test_a_toast_leaves_room_for_what_a_page_says_itself(opened: Page, deliveries: Deliveries, width: int):
    opened.set_viewport_size({"width": width, "height": 720})
    opened.locator("#anomaly-list tbody input[type=checkbox]").first.check()
    opened.get_by_role("button", name="Acknowledge").click()
    undo = opened.locator("#toast #undo")
    expect(undo).to_be_visible()
    deliveries.add("Something else")
    expect(opened.locator(".alert-toast")).to_have_count(1, timeout=WITHIN)
    undo.click()  # nothing lies on it
    expect(undo).to_be_hidden()


def test_a_narrow_page_shows_two_that_fit(
    opened: Page, deliveries: Deliveries, axe: Callable[[Page], list[str]]
):
    opened.set_viewport_size({"width": 375, "height": 720})
    for n in range(3):
        deliveries.add(f"A title that is the {n}th, and long enough for two lines")
    expect(opened.locator(".alert-toasts-more")).to_have_text("and 1 more before these", timeout=WITHIN)
    expect(opened.locator(".alert-toast")).to_have_count(2)
    box = opened.locator("#alert-toasts").bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 375 and box["height"] < 500
    assert axe(opened) == []
