"""The Connect page: the lines to copy, tokens, and what it says of the processes that report."""

from __future__ import annotations

import html
import re
import socket

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.lib.clock import now_ns
from dashboard.pages import _connect_processes
from runs import tokens
from runs.models import AppError, AppProcess, InboxItem, ProbeToken, World
from tests.factories import MS, START_NS, make_run, make_world

pytestmark = pytest.mark.django_db
PAGE = "/w/shop/connect/"
SECOND = 1000 * MS


@pytest.fixture
def world(settings):
    world = make_world("shop")
    settings.SERVED_WORLD = world.pk
    return world


def make_process(world, process="p1", **fields):
    now = now_ns()
    defaults = {
        "about": {"runtime": "node v20.20.2", "pid": 31167, "host": "laptop", "world": "local"},
        "sdk_version": "4.8.9",
        "is_exact": True,
        "first_seen_ns": now,
        "last_seen_ns": now,
        "batches": 3,
        "last_number": 3,
        "records": 41,
    }
    return AppProcess.objects.create(world=world, process=process, **(defaults | fields))


def lines(client, query="", **extra):
    text = client.get(PAGE + query, **extra).content.decode()
    return [
        html.unescape(re.search(f'<code id="{name}">(.*?)</code>', text)[1]) for name in ("fetch", "begin")
    ]


def text_of(response):
    """What a reader sees, on one line."""
    body = response.content.decode().partition('id="main"')[2] or response.content.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_lines_have_only_what_differs_from_the_defaults(client, world):
    assert lines(client, HTTP_HOST="127.0.0.1:8000") == [
        "curl -O http://127.0.0.1:8000/static/probe/tailrace-probe.cjs",
        "WORKFLOW_TARGET_WORLD=./tailrace-probe.cjs npm run dev",
    ]


def test_the_lines_name_the_address_the_browser_came_by_and_a_world_that_is_not_the_served_one(
    client, world, settings
):
    settings.SERVED_WORLD = make_world("other").pk
    assert lines(client, "?with=pnpm", HTTP_HOST="localhost:9001") == [
        "curl -O http://localhost:9001/static/probe/tailrace-probe.cjs",
        "WORKFLOW_TARGET_WORLD=./tailrace-probe.cjs TAILRACE_URL=http://localhost:9001"
        " TAILRACE_WORLD_NAME=shop pnpm dev",
    ]


@pytest.mark.parametrize(
    ("tool", "end"),
    [
        ("npm", "npm run dev"),
        ("pnpm", "pnpm dev"),
        ("yarn", "yarn dev"),
        ("bun", "bun run dev"),
        ("x", "npm run dev"),
    ],
)
def test_each_package_manager_has_its_own_start(client, world, tool, end):
    assert lines(client, f"?with={tool}")[1].endswith(f" {end}")


def test_python_loads_the_probe_from_a_directory_of_its_own(client, world):
    fetch, begin = lines(client, "?with=python", HTTP_HOST="127.0.0.1:8000")
    address = "http://127.0.0.1:8000/static/probe/tailrace_probe.py"
    assert fetch == f"curl --create-dirs -o tailrace-probe/sitecustomize.py {address}"
    assert begin == 'PYTHONPATH="$PWD/tailrace-probe" python app.py'


@pytest.mark.parametrize(
    ("kind", "wrapped"),
    [("postgres", "TAILRACE_WORLD=@workflow/world-postgres"), ("vercel", "TAILRACE_WORLD=vercel")],
)
def test_another_world_than_the_local_one_is_told_to_the_probe(client, world, kind, wrapped):
    World.objects.update(kind=kind)
    assert wrapped in lines(client)[1]


@pytest.mark.parametrize(
    ("name", "kind"), [("tailrace_probe.py", "text/x-python"), ("tailrace-probe.cjs", "text/javascript")]
)
def test_the_probe_may_be_fetched_by_anyone(client, world, settings, name, kind):
    for settings.SIGN_IN in (False, True):
        answer = client.get(f"/static/probe/{name}")
        assert answer.status_code == 200
        assert answer["Content-Type"].partition(";")[0] == kind


def test_it_waits_for_the_first_report(client, world):
    assert "Waiting for the first report." in text_of(client.get(PAGE))


def test_a_batch_that_is_not_read_yet_is_told(client, world):
    InboxItem.objects.create(world=world, process="p", number=1, received_ns=now_ns(), body=b"{}")
    shown = text_of(client.get(PAGE))
    assert "A first report is here" in shown
    assert "1 batch waits" in shown


def test_it_shows_a_process_that_reports(client, world):
    make_process(world, clock_offset_ns=-3_500_000, clock_error_ns=600_000)
    shown = text_of(client.get(PAGE))
    assert "First report received." in shown
    assert "node v20.20.2 pid 31167 on laptop" in shown
    assert "4.8.9 exact 3 41 nothing 3.5 ms ahead of ours, ± 0.6 ms" in shown
    assert "Waiting" not in shown


def test_the_socket_refreshes_only_the_lower_part(client, world):
    make_process(world)
    response = client.get(PAGE + "?with=bun&part=rows")
    assert response.content.decode().strip().startswith('<div id="connected" data-refresh="?with=bun"')
    assert "node v20.20.2" in text_of(response)


def test_processes_of_another_world_are_not_shown(client, world):
    make_process(make_world("other"))
    assert "Waiting for the first report." in text_of(client.get(PAGE))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"has_ended": True}, "ended"),
        ({"last_seen_ns": START_NS}, "silent since 22:26:40"),
        ({"is_exact": False}, "calls"),
        ({"is_exact": None}, "not said"),
        ({"clock_offset_ns": 5, "clock_error_ns": 9_000_000}, "as ours, ± 9.0 ms"),
        ({"clock_offset_ns": 80_000_000, "clock_error_ns": 0}, "80.0 ms behind ours, ± 0 ms"),
        ({"clock_offset_ns": 80_000_000, "clock_error_ns": None}, "not measured yet"),
        ({"dropped_records": 1, "dropped_batches": 1}, "1 record did not get here."),
        ({"last_number": 5}, "Of its 5 batches, 2 did not get here yet."),
    ],
)
def test_it_says_what_is_known_of_a_process(client, world, fields, said):
    make_process(world, **fields)
    assert said in text_of(client.get(PAGE))


def test_what_did_not_get_here_is_told_with_its_time(world, monkeypatch):
    monkeypatch.setattr(_connect_processes, "now_ns", lambda: START_NS)
    gaps = [
        {"from": START_NS, "to": START_NS + 5 * SECOND, "records": 500},
        {"from": START_NS + 9 * SECOND, "to": START_NS + 9 * SECOND, "records": 1},
        {"from": START_NS - 86_400 * SECOND, "to": START_NS, "records": 2},
    ]
    process = make_process(world, gaps=gaps, dropped_records=1503, dropped_batches=4)
    assert _connect_processes.gaps_in_words(process) == [
        "1,000 earlier records did not get here.",
        "500 records between 22:26:40 and 22:26:45 did not get here.",
        "1 record at 22:26:49 did not get here.",
        "2 records between 2026-11-20 22:26:40 and 22:26:40 did not get here.",
    ]


@pytest.mark.parametrize("gaps", [None, 7, [7], [{}], [{"from": "x"}], {"a": 1}])
def test_gaps_that_make_no_sense_do_not_break_the_page(client, world, gaps):
    make_process(world, gaps=gaps if gaps is not None else [], about=[] if gaps is None else {"pid": {}})
    assert client.get(PAGE).status_code == 200


def test_a_process_that_writes_elsewhere_is_warned_of(client, world, tmp_path):
    here = {"world": "local", "host": socket.gethostname()}
    make_process(world, about={**here, "location": str(tmp_path / "other")})
    assert f"This process writes to {tmp_path}/other" in text_of(client.get(PAGE))


def test_a_link_to_the_watched_directory_is_the_same_place(client, world, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    World.objects.update(location=str((tmp_path / "data").resolve()))
    here = {"world": "local", "host": socket.gethostname()}
    make_process(world, about={**here, "location": str(tmp_path / "link")})
    assert "This process writes to" not in text_of(client.get(PAGE))


@pytest.mark.parametrize(
    "about",
    [
        {"location": "/srv/other", "host": "another-host", "world": "local"},
        {"location": ".workflow-data", "world": "local"},
        {"location": "/srv/other", "world": "vercel"},
        {"location": "/srv/\u0001x" + "y" * 5000, "world": "local", "host": "h"},
        {},
    ],
)
def test_what_cannot_be_compared_is_not_warned_of(client, world, about):
    make_process(world, about={"host": socket.gethostname()} | about)
    assert "This process writes to" not in text_of(client.get(PAGE))


def test_it_shows_failures_of_the_last_hour_with_their_run(client, world):
    run = make_run(world, "wrun_01M803XXRMEFHXRQDT3NWX3SN6")
    fields = {"world": world, "process": "p", "number": 1, "kind": "unhandled_rejection"}
    AppError.objects.create(**fields, place=0, at_ns=now_ns(), run=run, name="Error", message="HTTP 409 <b>")
    AppError.objects.create(**fields, place=1, at_ns=now_ns() - 7200 * SECOND, message="long ago")
    response = client.get(PAGE)
    assert "unhandled_rejection …T3NWX3SN6 Error: HTTP 409 <b>" in text_of(response)
    assert f'href="/w/shop/runs/{run.run_id}/"' in response.content.decode()
    assert "long ago" not in text_of(response)


def test_it_shows_what_the_inbox_could_not_read(client, world):
    fields = {"process": "p", "received_ns": START_NS, "body": b"", "applied_ns": START_NS}
    InboxItem.objects.create(world=world, number=4, problem="record 7: n is missing", **fields)
    InboxItem.objects.create(world=make_world("other"), number=5, problem="elsewhere", **fields)
    shown = text_of(client.get(PAGE))
    assert "batch 4 p record 7: n is missing" in shown
    assert "elsewhere" not in shown


def test_nothing_of_a_process_is_taken_for_html(client, world):
    bad = "<script>alert(1)</script>"
    about = dict.fromkeys(("runtime", "pid", "host", "env", "location"), bad + "\u202e")
    make_process(world, process="p", about=about, sdk_version=bad, gaps=[{"from": bad, "records": bad}])
    AppError.objects.create(
        world=world,
        process=bad,
        number=1,
        place=0,
        kind=bad[:40],
        at_ns=now_ns(),
        name=bad,
        message=bad,
        step_id=bad,
    )
    InboxItem.objects.create(
        world=world, process=bad, number=1, received_ns=1, body=b"", applied_ns=1, problem=bad
    )
    tokens.create(world, bad)
    body = client.get(PAGE).content.decode()
    assert "<script>alert" not in body
    assert "\u202e" not in body


def test_long_lists_are_cut_and_counted(client, world):
    for at in range(55):
        make_process(world, f"p{at}")
    assert "The latest 50 of 55." in text_of(client.get(PAGE))


def test_the_front_link_leads_to_the_served_world(client, world):
    make_world("another")
    assert client.get("/connect/").url == "/w/shop/connect/?with=npm"
    assert (
        client.get("/connect/", {"world": "another", "with": "yarn"}).url == "/w/another/connect/?with=yarn"
    )
    assert client.get("/connect/", {"world": "nope"}).url == "/w/shop/connect/?with=npm"
    assert 'href="/w/shop/connect/"' in client.get("/w/shop/runs/").content.decode()


def test_without_a_world_it_asks_for_a_name_and_makes_one(client):
    assert "No world is known yet." in text_of(client.get("/connect/"))
    assert client.post("/connect/?with=bun", {"name": "My app"}).url == "/w/my-app/connect/?with=bun"
    assert World.objects.get().kind == "probe"
    assert client.post("/connect/", {"name": " "}).status_code == 400


def test_an_unknown_world_is_not_found(client):
    assert client.get("/w/nope/connect/").status_code == 404


def test_on_loopback_no_token_is_asked_for(client, world):
    response = client.get(PAGE)
    assert "token" not in text_of(response).lower()
    assert "TAILRACE_TOKEN" not in response.content.decode()


@pytest.fixture
def owner(client, settings):
    settings.SIGN_IN = True
    user = User.objects.create_superuser("owner")
    client.force_login(user)
    return user


def test_where_people_sign_in_a_token_is_made_and_shown_once(client, world, owner):
    assert "TAILRACE_TOKEN=trp_..." in lines(client)[1]
    response = client.post(PAGE, {"action": "create", "name": "staging"})
    plain = re.search(r"TAILRACE_TOKEN=(trp_[\w-]{40,})", response.content.decode())[1]
    assert "shown once" in text_of(response)
    assert "no-store" in response["Cache-Control"]
    row = tokens.find(plain)
    assert (row.world, row.name, row.created_by) == (world, "staging", "owner")
    again = client.get(PAGE).content.decode()
    assert plain not in again
    assert f"{row.hint}…" in again


def test_a_token_is_revoked(client, world, owner):
    row, plain = tokens.create(world, "staging")
    client.post(PAGE, {"action": "revoke", "token": str(row.pk)})
    assert tokens.find(plain).revoked_ns is not None
    assert "revoked" in text_of(client.get(PAGE))


def test_a_token_of_another_world_is_not_revoked_here(client, world, owner):
    row, plain = tokens.create(make_world("other"), "staging")
    for number in (str(row.pk), "x", "", "9" * 30):
        assert client.post(PAGE, {"action": "revoke", "token": number}).status_code == 302
    assert tokens.find(plain).revoked_ns is None


def test_only_the_owner_makes_tokens_and_worlds(client, world, settings):
    settings.SIGN_IN = True
    assert client.get(PAGE).status_code == 302
    client.force_login(User.objects.create_user("reader"))
    assert client.get(PAGE).status_code == 200
    assert client.post(PAGE, {"action": "create", "name": "x"}).status_code == 403
    assert client.post("/connect/", {"name": "x"}).status_code == 403
    assert not ProbeToken.objects.exists()


def test_it_takes_no_post_from_another_site(world):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(PAGE, {"action": "create", "name": "x"}).status_code == 403
    assert strict.post("/connect/", {"name": "x"}).status_code == 403


def test_an_unknown_action_is_refused(client, world):
    assert client.post(PAGE, {"action": "drop"}).status_code == 400
    assert client.delete(PAGE).status_code == 405
