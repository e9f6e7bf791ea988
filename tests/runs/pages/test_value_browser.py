"""What a person does with a value in a browser: switch its form, find in it, copy it, open its parts."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.factories import devalue

RUN = "wrun_01M803XX9EKPGB0DR66MWJRZ8Z"


@pytest.fixture
def run_page(serve, page: Page, tmp_path: Path) -> Page:
    """A run with a small input and an output that is shown in parts."""
    world = tmp_path / "world"
    (world / "runs").mkdir(parents=True)
    values = {"input": {"deep": {"er": {"word": "Needle"}}, "other": "hay"}, "output": list(range(1500))}
    record = {
        "runId": RUN,
        "status": "completed",
        "workflowName": "w",
        "createdAt": "2026-11-21T22:00:00.000Z",
    }
    for name, value in values.items():
        text = devalue(value)
        record[name] = {"__type": "Uint8Array", "data": base64.b64encode(text).decode()}
    (world / "runs" / f"{RUN}.json").write_text(json.dumps(record))
    url = f"{serve(world, tmp_path / 'data').url}/w/world/runs/{RUN}/"
    until = time.monotonic() + 20
    while page.request.get(url).status == 404:
        assert time.monotonic() < until, "the run did not appear"
        time.sleep(0.1)
    page.goto(url)
    return page


def test_it_switches_the_form_in_place_and_back(run_page):
    address = run_page.url
    run_page.locator(".value").first.get_by_role("button", name="Hex").click()
    expect(run_page.locator("pre.dump")).to_contain_text("00000000  64 65 76 6c")
    run_page.locator(".value").first.get_by_role("button", name="JSON").click()
    expect(run_page.locator("pre.json")).to_contain_text('"word": "Needle"')
    run_page.locator(".value").first.get_by_role("button", name="Decoded").click()
    expect(run_page.locator(".value").first.locator(".tree")).to_be_visible()
    assert run_page.url == address


def test_it_finds_text_opens_what_holds_it_and_escape_shows_all_again(run_page):
    value = run_page.locator(".value").first
    find = value.locator("[data-find]")
    expect(value.locator(".s", has_text="Needle")).not_to_be_visible()
    find.fill("needle")
    expect(value.locator("mark")).to_have_text("Needle")
    expect(value.locator("mark")).to_be_visible()
    expect(value.locator("[data-found]")).to_have_text("1 found")
    expect(value.locator(".s", has_text="hay")).not_to_be_visible()
    find.press("Escape")
    expect(value.locator("mark")).to_have_count(0)
    expect(value.locator(".s", has_text="hay")).to_be_visible()
    find.fill("not in it")
    expect(value.locator("[data-found]")).to_have_text("0 found")


def test_it_copies_what_is_shown(run_page):
    run_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    value = run_page.locator(".value").first
    value.get_by_role("button", name="JSON").click()
    expect(run_page.locator("pre.json")).to_be_visible()
    run_page.locator(".value").first.get_by_label("Copy what is shown").click()
    expect(run_page.locator(".copy.done")).to_have_count(1)
    assert '"word": "Needle"' in run_page.evaluate("navigator.clipboard.readText()")


def test_it_opens_the_rest_of_a_list_in_its_place(run_page):
    value = run_page.locator(".value").nth(1)
    expect(value.locator(".k", has_text="1400")).to_have_count(0)
    value.locator("a.more").click()
    expect(value.locator(".k", has_text="1400")).to_have_count(1)
