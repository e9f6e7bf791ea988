"""The inbox in a real browser, over what SDK 4.8.9 wrote: acknowledge, mute, resolve, regress, undo, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.processes import end
from tests.recordings import unpack
from tests.server_process import Server

ROWS = "#anomaly-list tbody tr"
RUN = "01M803PV8HVJZASAG4ZT3JFH1S"  # eagerClose: chunks behind its end marker, and a second one
TEMPLATE = "write_after_close"
CHANGED_WITHIN = 30_000  # milliseconds until a run that is written now is judged and shown, on a busy machine


class Recorded:
    """A server over a recording whose one faulty run can happen again."""

    def __init__(self, root: Path, data: Path) -> None:
        self.world = unpack("4.8.9", "plain", root)
        self.again = 0
        self.server = Server(self.world, data)

    def happens_again(self, deployment: str = "dpl_local@4.4.1") -> None:
        """The same run under another id: its parts first, as the SDK writes them, the run last."""
        self.again += 1
        other = f"{RUN[:-2]}{self.again:02d}"
        files = [
            path for path in self.world.rglob(f"*{RUN}*") if path.is_file() and ".locks" not in path.parts
        ]
        for path in sorted(files, key=lambda one: ("runs" in one.parts, one.name)):
            data = path.read_bytes().replace(RUN.encode(), other.encode())
            data = data.replace(b"dpl_local@4.4.1", deployment.encode())
            target = path.with_name(path.name.replace(RUN, other))
            target.with_suffix(".tmp").write_bytes(data)
            target.with_suffix(".tmp").rename(target)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    started = Recorded(tmp_path_factory.mktemp("world"), tmp_path_factory.mktemp("data"))
    yield started
    end(started.server.process)


@pytest.fixture
def inbox(page: Page, recorded: Recorded) -> Page:
    """Open where everything that is found in the recording has been found."""
    page.goto(f"{recorded.server.url}/anomalies/?state=all")
    for _ in range(200):
        if page.locator(ROWS).count() >= 12:
            break
        page.wait_for_timeout(100)
        page.reload()
    page.wait_for_timeout(300)  # the socket is open a moment after the page is
    return page


def row(page: Page, kind: str, workflow: str = "eagerClose") -> Locator:
    found = page.locator(ROWS).filter(has=page.locator(".badge", has_text=re.compile(rf"^{kind}$")))
    return found.filter(has_text=workflow).first


def state(page: Page, kind: str) -> Locator:
    return row(page, kind).locator(".stc .st")


def choose(page: Page, *kinds: str) -> None:
    for kind in kinds:
        row(page, kind).locator("input").check()
    expect(page.locator("#chosen")).to_have_text(f"{len(kinds)} chosen")


def test_two_are_acknowledged_leave_what_waits_and_come_back_by_undo(inbox: Page, recorded: Recorded):
    inbox.goto(f"{recorded.server.url}/anomalies/")
    waiting = int(inbox.locator("#waiting .n").inner_text().split()[0])
    choose(inbox, "write_after_close", "closed_more_than_once")
    inbox.get_by_role("button", name="Acknowledge").click()
    expect(inbox.locator("#toast")).to_contain_text("2 anomalies acknowledged")
    expect(row(inbox, "write_after_close")).to_have_count(0)
    expect(inbox.locator(ROWS)).to_have_count(waiting - 2)
    inbox.locator("#undo").click()
    expect(inbox.locator("#toast")).to_contain_text("Undone: 2 anomalies as before")
    expect(row(inbox, "write_after_close")).to_be_visible()
    expect(inbox.locator("#toast #undo")).to_have_count(0)


def test_muted_for_one_more_the_second_reopens_it_in_the_open_page(inbox: Page, recorded: Recorded):
    choose(inbox, TEMPLATE)
    inbox.locator("#mute summary").click()
    inbox.locator('#mute input[name="left"]').fill("1")
    inbox.locator("#mute button").click()
    expect(state(inbox, TEMPLATE)).to_have_text("muted")
    expect(row(inbox, TEMPLATE)).to_contain_text("for 1 more")
    count = int(row(inbox, TEMPLATE).locator(".cnc").inner_text())
    recorded.happens_again()
    expect(row(inbox, TEMPLATE).locator(".cnc")).to_have_text(str(count + 1), timeout=CHANGED_WITHIN)
    expect(state(inbox, TEMPLATE)).to_have_text("muted")
    recorded.happens_again()
    expect(state(inbox, TEMPLATE)).to_have_text("open", timeout=CHANGED_WITHIN)
    row(inbox, TEMPLATE).locator("a.what").click()
    expect(inbox.locator("#history")).to_contain_text("seen more often than it was muted for")


def test_resolved_it_regresses_when_it_happens_again(inbox: Page, recorded: Recorded):
    choose(inbox, TEMPLATE)
    inbox.locator("summary", has_text="Resolve").click()
    inbox.locator('#bulk button[value="resolve"]').click()
    expect(state(inbox, TEMPLATE)).to_have_text("resolved")
    recorded.happens_again()
    expect(state(inbox, TEMPLATE)).to_have_text("regressed", timeout=CHANGED_WITHIN)
    inbox.goto(f"{recorded.server.url}/anomalies/?state=regressed")
    expect(row(inbox, TEMPLATE)).to_be_visible()


def test_resolved_by_the_next_deployment_only_a_newer_one_regresses(inbox: Page, recorded: Recorded):
    choose(inbox, "closed_more_than_once")
    inbox.locator("summary", has_text="Resolve").click()
    inbox.get_by_role("button", name="By the next deployment").click()
    expect(state(inbox, "closed_more_than_once")).to_have_text("resolved")
    count = int(row(inbox, "closed_more_than_once").locator(".cnc").inner_text())
    recorded.happens_again()
    seen = row(inbox, "closed_more_than_once").locator(".cnc")
    expect(seen).to_have_text(str(count + 1), timeout=CHANGED_WITHIN)
    expect(state(inbox, "closed_more_than_once")).to_have_text("resolved")
    recorded.happens_again("dpl_of_tomorrow")
    expect(state(inbox, "closed_more_than_once")).to_have_text("regressed", timeout=CHANGED_WITHIN)


def test_it_is_worked_through_by_keys(inbox: Page):
    inbox.keyboard.press("j")
    inbox.keyboard.press("j")
    second = inbox.locator(ROWS).nth(1)
    expect(second).to_have_class(re.compile(r"\bat\b"))
    inbox.keyboard.press("k")
    expect(inbox.locator(ROWS).first).to_have_class(re.compile(r"\bat\b"))
    inbox.keyboard.press("x")
    expect(inbox.locator("#chosen")).to_have_text("1 chosen")
    inbox.keyboard.press("x")
    inbox.keyboard.press("?")
    expect(inbox.locator("#keys")).to_be_visible()
    inbox.keyboard.press("Escape")
    expect(inbox.locator("#keys")).to_be_hidden()
    inbox.keyboard.press("m")
    expect(inbox.locator('#mute input[name="left"]')).to_be_focused()
    inbox.keyboard.press("Escape")
    inbox.keyboard.press("u")  # in a field it is a letter, and there is nothing to undo
    expect(inbox.locator("#toast")).to_have_count(0)


def test_a_key_acknowledges_the_row_it_is_at(inbox: Page):
    never = row(inbox, "never_closed", "fatalFailure")
    for _ in range(inbox.locator(ROWS).count()):
        inbox.keyboard.press("j")
        if "at" in (never.get_attribute("class") or "").split():
            break
    inbox.keyboard.press("e")
    expect(inbox.locator("#toast")).to_contain_text("1 anomaly acknowledged")
    expect(never.locator(".stc .st")).to_have_text("acknowledged")
    inbox.keyboard.press("u")
    expect(never.locator(".stc .st")).to_have_text("open")


def test_rows_and_the_choice_stay_while_something_happens(inbox: Page, recorded: Recorded):
    choose(inbox, "duplicate_event")
    before = inbox.locator(ROWS).evaluate_all("rows => rows.map((row) => row.id)")
    inbox.locator(ROWS).nth(3).locator("a.what").focus()  # a reader who is in the list
    count = int(row(inbox, TEMPLATE).locator(".cnc").inner_text())
    recorded.happens_again()
    expect(row(inbox, TEMPLATE).locator(".cnc")).to_have_text(str(count + 1), timeout=CHANGED_WITHIN)
    assert inbox.locator(ROWS).evaluate_all("rows => rows.map((row) => row.id)") == before
    expect(row(inbox, "duplicate_event").locator("input")).to_be_checked()
    expect(inbox.locator("#chosen")).to_have_text("1 chosen")


def test_one_anomaly_shows_its_evidence_and_the_next_run(inbox: Page):
    row(inbox, TEMPLATE).locator("a.what").click()
    expect(inbox.locator("#rebuilt")).to_contain_text("eager")
    inbox.locator(".evidence-rows").scroll_into_view_if_needed()
    expect(inbox.locator(".evidence-rows tr.at")).to_contain_text("never read")
    assert inbox.locator("main *").count() < 1500
    wrong = inbox.locator('[data-base] [href^="?"], [data-base] [hx-get^="?"], [data-base] a[href^="#"]')
    expect(wrong).to_have_count(0)
    first = inbox.locator("#evidence a.mono").first.inner_text()
    inbox.keyboard.press("n")
    expect(inbox.locator("#previous-run")).to_be_visible()
    assert inbox.locator("#evidence a.mono").first.inner_text() != first
    inbox.locator("#comment").fill("Their <b>fix</b> is on its way.")
    inbox.get_by_role("button", name="Add").click()
    expect(inbox.locator("#history li").first).to_contain_text("Their <b>fix</b> is on its way.")


def test_the_page_of_one_takes_actions_and_undoes_them(inbox: Page):
    row(inbox, TEMPLATE).locator("a.what").click()
    expect(inbox).to_have_url(re.compile(r"/anomalies/\d+/$"))
    inbox.wait_for_load_state("load")  # the keys are there with the script
    before = inbox.locator("#state").inner_text().strip()
    inbox.keyboard.press("e")
    expect(inbox.locator("#state")).to_have_text("acknowledged")
    expect(inbox.locator("#history li").first).to_contain_text("the owner of this machine")
    inbox.locator("#undo").click()
    expect(inbox.locator("#state")).to_have_text(before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_pages_have_no_serious_fault_and_fit_a_phone(inbox: Page, recorded: Recorded, axe, scheme):
    inbox.emulate_media(color_scheme=scheme)
    assert axe(inbox) == []
    listed = inbox.url
    row(inbox, TEMPLATE).locator("a.what").click()
    inbox.locator(".evidence-rows").scroll_into_view_if_needed()
    expect(inbox.locator(".evidence-rows tr.at")).to_be_visible()
    assert axe(inbox) == []
    inbox.set_viewport_size({"width": 375, "height": 800})
    for url in (inbox.url, listed):
        inbox.goto(url)
        assert inbox.evaluate("document.documentElement.scrollWidth") == 375, url


def test_it_works_without_script(browser, recorded: Recorded):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{recorded.server.url}/anomalies/")
    row(page, "never_closed", "cancelMe").locator("input").check()
    page.get_by_role("button", name="Acknowledge").click()
    assert "1 anomaly acknowledged" in page.locator("#toast").inner_text()
    page.locator("#undo").click()
    assert "as before" in page.locator("#toast").inner_text()
    assert row(page, "never_closed", "cancelMe").count() == 1
    context.close()
