"""Connecting an app, in a real browser: the lines are copied, and the first report appears by itself."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

from tests.e2e.test_access import status

FIRST = {
    "v": 1,
    "process": "01M803XX9EKPGB0DR66MWJRZ8Z",
    "number": 1,
    "clock": {"offset": -3.5, "rtt": 1.2},
    "app": {"runtime": "node v20.20.2", "sdk": "4.8.9", "pid": 31167, "host": "laptop", "exact": True},
    "records": [],
}


def report(server, token="", **fields):
    """As a probe does it; gives the status and the answer."""
    body = json.dumps(FIRST | {"sent": time.time() * 1000} | fields).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(f"{server.url}/api/v1/probe", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
def server(serve, tmp_path):
    (tmp_path / "shop").mkdir()
    return serve(tmp_path / "shop", tmp_path / "data")


def test_the_first_report_appears_on_the_open_page(server, page):
    page.goto(f"{server.url}/")
    page.get_by_role("link", name="Connect").click()
    expect(page.locator("#connect-state")).to_contain_text("Waiting for the first report.")
    page.evaluate("window.same = true")
    assert report(server)[0] == 202
    expect(page.locator("#connect-state")).to_contain_text("First report received.")
    expect(page.get_by_role("status")).to_have_text("First report received.")
    row = page.locator(".processes tbody tr")
    expect(row).to_contain_text("node v20.20.2")
    expect(row).to_contain_text("pid 31167 on laptop")
    expect(row).to_contain_text(re.compile(r"seen \d+ s ago"))
    expect(row).to_contain_text("3.5 ms ahead of ours, ± 0.6 ms")
    report(server, process="another", ending=True, dropped={"batches": 1, "records": 500})
    expect(page.locator("#connect-state")).to_contain_text("2 processes have reported.")
    expect(page.locator(".processes")).to_contain_text("500 records did not get here.")
    assert page.evaluate("window.same"), "without a reload"


def test_a_process_that_falls_silent_shows_as_such_by_itself(server, page):
    report(server)
    page.clock.install()
    page.goto(f"{server.url}/connect/")
    expect(page.locator(".processes")).to_be_visible()
    silent = page.locator("[data-seen] .warn")
    expect(silent).to_be_hidden()
    for _ in range(5):  # a refresh under way would bring the age as it is in truth
        page.clock.fast_forward(31_000)
        page.wait_for_timeout(100)
    expect(silent).to_be_visible()
    expect(silent).to_contain_text("silent since")
    expect(page.locator("[data-seen] .ok")).to_be_hidden()


def test_the_lines_are_copied_as_they_are_to_be_typed(server, page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server.url}/connect/?with=pnpm")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").split("\n") == [
        f"curl -O {server.url}/static/probe/tailrace-probe.cjs",
        f"WORKFLOW_TARGET_WORLD=./tailrace-probe.cjs TAILRACE_URL={server.url} pnpm dev",
    ]


def test_without_a_clipboard_the_lines_are_selected(server, page):
    page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))")
    page.goto(f"{server.url}/connect/")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Press Ctrl+C")
    assert page.evaluate("getSelection().toString()").startswith("curl -O ")


def test_another_app_gets_a_world_and_lines_of_its_own(server, page):
    page.goto(f"{server.url}/connect/")
    page.get_by_text("Another app").click()
    page.get_by_label(re.compile("Name of an app")).fill("Night jobs")
    page.keyboard.press("Enter")
    expect(page.locator("#begin")).to_contain_text("TAILRACE_WORLD_NAME=night-jobs")
    page.get_by_role("link", name="yarn").click()
    expect(page.locator("#begin")).to_contain_text("yarn dev")
    page.get_by_label("World").select_option("shop")
    expect(page).to_have_url(f"{server.url}/w/shop/connect/?with=yarn")
    expect(page.locator("#begin")).not_to_contain_text("TAILRACE_WORLD_NAME")
    assert report(server, world="night-jobs")[1]["world"] == "night-jobs"
    expect(page.locator("#connect-state")).to_contain_text("Waiting")


def test_it_works_without_scripts(server, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.url}/connect/")
    page.get_by_role("link", name="bun").click()
    page.get_by_role("button", name="Choose").click()
    expect(page.locator("#begin")).to_contain_text("bun run dev")
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_hidden()
    context.close()


def test_where_people_sign_in_a_token_made_on_the_page_lets_a_probe_in(serve, page, page_errors, tmp_path):
    (tmp_path / "shop").mkdir()
    server = serve(tmp_path / "shop", tmp_path / "data", "--host", "0.0.0.0")
    assert report(server)[0] == 401
    assert status(f"{server.url}/static/probe/tailrace-probe.cjs") == 200
    password = re.search(r"one-time password (\S+)", server.output())[1]
    page.goto(f"{server.url}/account/sign-in/")
    page.fill("input[name=username]", "owner")
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")
    page.fill("input[name=new_password1]", "a better one 7")
    page.fill("input[name=new_password2]", "a better one 7")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Connect").click()
    page.get_by_label("What the token is for").fill("staging")
    page.get_by_role("button", name="Make a token").click()
    token = page.locator("#new-token code").inner_text()
    expect(page.locator("#begin")).to_contain_text(f"TAILRACE_TOKEN={token}")
    assert report(server, token)[0] == 202
    expect(page.locator("#connect-state")).to_contain_text("First report received.")
    page.get_by_role("button", name="Revoke staging").click()
    expect(page.locator(".tokens")).to_contain_text("revoked")
    assert report(server, token, number=2)[0] == 403


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(server, browser, scheme, width):
    long = "x" * 300
    report(server, app={"runtime": long, "host": long, "sdk": long, "world": "local", "location": f"/{long}"})
    failure = {"type": "error", "kind": "log", "at": time.time() * 1000, "name": long, "message": long}
    report(server, number=2, records=[failure, {"type": long}])
    context = browser.new_context(viewport={"width": width, "height": 700}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{server.url}/connect/")
    expect(page.locator(".failures").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
