"""Alerts in a real browser: a channel is added and tested against a receiver, a rule says what it does while it is
filled in, an alert's link mutes, and the keyboard is enough."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from playwright.sync_api import Page, expect

from tests.processes import end
from tests.recordings import unpack
from tests.server_process import Server
from tests.world_files import WorldFiles

SCHEMES = ("light", "dark")


class Receiver:
    """Takes what is posted, and answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(receiver.status)
                self.end_headers()
                self.wfile.write(b"thank you")

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("alerts")


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Server]:
    """A recording is history, which no rule tells of; so something goes wrong now as well."""
    world = unpack("4.2.4", "plain", data / "app")
    started = Server(world, data / "data", env={"TAILRACE_OUTBOUND_ALLOW": "127.0.0.1"})
    files = WorldFiles(world)
    ulid = files.ulid()
    files.run(f"wrun_{ulid}", workflowName="workflow//./app//wrongNow")
    files.list_stream(f"strm_{ulid}_user")
    files.close(f"strm_{ulid}_user")
    files.text(f"strm_{ulid}_user", "late")
    yield started
    end(started.process)


@pytest.fixture
def judged(page: Page, server: Server) -> Page:
    """The inbox, once something has been found."""
    page.goto(f"{server.url}/anomalies/?state=all")
    for _ in range(200):
        if page.locator("#anomaly-list tbody tr").count() >= 3:
            break
        page.wait_for_timeout(100)
        page.reload()
    return page


def test_what_is_found_is_open_on_the_overview_and_in_the_log(judged: Page, server: Server):
    page = judged
    page.goto(f"{server.url}/alerts/")
    row = page.locator("#alerts-live tr[id^=alert-]").filter(has_text="wrongNow").first
    expect(row).to_contain_text("In this dashboard", timeout=30_000)  # it looks again every ten seconds
    row.locator("a.what").click()
    expect(page.locator("#state")).to_be_visible()
    page.goto(f"{server.url}/alerts/deliveries/?event=anomaly")
    rows = page.locator("tr[id^=delivery-]")
    expect(rows.filter(has_text="wrongNow").first).to_be_visible()
    expect(rows.filter(has_text="eagerClose")).to_have_count(0)
    expect(page.locator("nav.nav a[aria-current]")).to_have_text("Alerts")


def add_webhook(page: Page, server: Server, url: str) -> None:
    page.goto(f"{server.url}/alerts/channels/")
    page.locator("main").get_by_role("link", name="Add a channel").first.click()
    page.get_by_role("link", name=re.compile("^Webhook")).click()
    page.get_by_label("Name").fill("My receiver")
    page.locator("#field-url").fill(url)
    page.get_by_role("button", name="Add the channel").click()
    expect(page.locator("h1")).to_have_text("My receiver")


def outcome(page: Page) -> str:
    page.evaluate("document.getElementById('tested').replaceChildren()")  # of the test before
    page.get_by_role("button", name="Send a test").click()
    page.locator("#test-outcome[data-state=sent], #test-outcome[data-state=failed]").wait_for()
    return page.locator("#tested").inner_text()


def test_a_webhook_is_added_tested_and_its_answer_shown(page: Page, server: Server, receiver: Receiver):
    add_webhook(page, server, receiver.url)
    assert "It went out." in outcome(page) and "200" in page.locator("#tested").inner_text()
    assert [got["event"] for got in receiver.got] == ["test"]
    receiver.status = 410
    assert "It failed." in outcome(page) and "410" in page.locator("#tested").inner_text()
    page.locator("#tested").get_by_role("link", name="the message").click()
    expect(page.locator("h1")).to_have_text("Test from Tailrace")
    frame = page.frame_locator("iframe.rich")
    expect(frame.locator("body")).to_contain_text("Alerts of this channel will look like this.")


def test_an_address_that_cannot_be_called_is_refused_at_its_field(page: Page, server: Server, page_errors):
    page_errors.allow("422")
    page.goto(f"{server.url}/alerts/channels/new/webhook/")
    for url, said in (
        ("ftp://127.0.0.1/hook", "http://"),
        ("http://169.254.169.254/", "TAILRACE_OUTBOUND_ALLOW"),
    ):
        page.locator("#field-url").fill(url)
        page.get_by_role("button", name="Add the channel").click()
        expect(page.locator("#field-url")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#url-problem")).to_contain_text(said)


def test_a_host_that_is_not_there_fails_the_test_with_the_reason(page: Page, server: Server):
    add_webhook(page, server, "http://hook.invalid/")
    assert "It failed." in outcome(page) and "hook.invalid" in page.locator("#tested").inner_text()


def test_a_rule_says_what_it_does_and_what_it_would_have_told(judged: Page, server: Server):
    page = judged
    page.goto(f"{server.url}/anomalies/?state=all&q=wrongNow")
    for _ in range(200):
        if page.locator("#anomaly-list tbody tr").count():
            break
        page.wait_for_timeout(100)
        page.reload()
    page.goto(f"{server.url}/alerts/rules/new/")
    says, would = page.locator("#says"), page.locator("#would")
    expect(would).to_contain_text(re.compile(r"would have fired \d+ times? in the last week"))
    page.locator("#min_severity").select_option(label="critical")
    expect(says).to_contain_text("Any kind of anomaly, critical")
    page.locator("#min_severity").select_option(label="info or worse")
    page.get_by_role("button", name="eagerClose", exact=True).click()
    expect(says).to_contain_text("in workflows like eagerClose")
    expect(page.locator("#workflows")).to_have_value("eagerClose")
    page.get_by_label("runs that do not come").check()
    expect(says).to_contain_text("No run of eagerClose has begun for 1 hour")
    expect(page.locator("#min_severity")).to_be_hidden()
    page.get_by_label("anomalies", exact=False).first.check()
    page.locator("#name").fill("What eagerClose does")
    page.get_by_role("button", name="Create the rule").click()
    expect(page.locator("h1")).to_have_text("What eagerClose does")
    expect(page.get_by_role("status").first).to_have_text("Created.")


def test_a_rule_is_made_with_the_keyboard_alone(page: Page, server: Server):
    page.goto(f"{server.url}/alerts/rules/new/")
    page.locator("#name").focus()
    page.keyboard.type("By keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")  # from anomalies to runs that do not come
    expect(page.locator("#watch-absent")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.locator("#name").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("By keyboard")


def test_an_alert_is_muted_by_its_link_on_a_phone(judged: Page, server: Server, data: Path):
    page = judged
    first = page.locator("#anomaly-list tbody tr").first
    anomaly = int(str(first.get_attribute("id")).removeprefix("anomaly-"))
    secret = (data / "data" / "secret-key").read_text().strip()
    token = signing.dumps(anomaly, key=secret, salt="tailrace.alerts.mute")
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(f"{server.url}/alerts/mute/{token}/")
    page.get_by_label("7 days").check()
    page.get_by_role("button", name="Mute it").click()
    expect(page.locator("h1")).to_have_text("It is muted")
    page.get_by_role("link", name="Open the anomaly").click()
    expect(page.locator("#state")).to_contain_text("muted")


def test_the_overview_looks_again_without_losing_the_focus(page: Page, server: Server):
    page.clock.install()
    page.goto(f"{server.url}/alerts/")
    button = page.locator("[id^=switch-rule-]").first
    button.focus()
    name = button.get_attribute("id")
    page.evaluate("document.querySelector('[data-poll] h2').textContent = 'old'")
    page.clock.fast_forward(10_500)
    expect(page.locator("#open-title")).to_have_text("Open")
    expect(page.locator(f"#{name}")).to_be_focused()


@pytest.mark.parametrize(
    "path",
    ["", "rules/", "rules/new/", "rules/1/", "channels/", "channels/new/", "channels/1/", "deliveries/"],
)
def test_a_page_needs_no_scrolling_sideways_on_a_phone(page: Page, server: Server, path: str):
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(f"{server.url}/alerts/{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_form_with_faults_and_a_message_have_no_serious_fault(
    page: Page, server: Server, axe: Callable[[Page], list[str]], receiver: Receiver, page_errors, scheme: str
):
    page_errors.allow("422")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{server.url}/alerts/rules/new/?copy=1")
    page.locator("#would").wait_for()
    page.locator("details.kinds summary").click()
    page.get_by_label("Quiet from").fill("22:00")
    page.get_by_role("button", name="Create the rule").click()
    expect(page.locator("#quiet_from-problem")).to_be_visible()
    assert axe(page) == []
    add_webhook(page, server, receiver.url)
    outcome(page)
    assert axe(page) == []
    page.locator("#tested").get_by_role("link", name="the message").click()
    assert axe(page) == []
