"""The page of one value: every form of it, its parts, the bytes as a file, and what a world cannot give."""

from __future__ import annotations

import base64
import html as htmllib
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from runs.pages import _values
from runs.pages._dump import HEX_PAGE, TEXT_PAGE
from runs.payloads import Limits
from runs.worlds.base import HEAD_KEPT, WORLDS, WorldError, stored_bytes
from tests.factories import devalue, make_event, make_hook, make_run, make_step, make_world
from tests.runs.payloads.cases import corpus

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def run():
    return make_run(make_world(), input=devalue({"a": [1, {"b": EVIL}]}))


def ask(client, run, of="run.input", htmx=False, **query):
    url = reverse("value", args=[run.world.slug, run.run_id])
    headers = {"HX-Request": "true"} if htmx else {}
    return client.get(url, {"of": of, **query}, headers=headers)


def page_of(client, run, of="run.input", htmx=False, **query):
    answer = ask(client, run, of, htmx, **query)
    assert answer.status_code == 200
    return answer.content.decode()


def text_of(page):
    return htmllib.unescape(re.search(r"<pre class=\"(?:json|dump)\">(.*?)</pre>", page, re.DOTALL)[1])


def openers(page):
    """What can be opened: (node, start) of each link."""
    links = re.findall(r'class="more" href="([^"]+)"', page)
    asked = [parse_qs(urlsplit(htmllib.unescape(link)).query) for link in links]
    return [(int(one["node"][0]), int(one["start"][0])) for one in asked]


def test_it_shows_a_value_decoded_with_how_it_was_read(client, run):
    page = page_of(client, run)
    assert '<span class="k">b</span>' in page
    assert "devl · " in page and "devalue text" in page
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_it_shows_a_value_as_json(client, run):
    assert json.loads(text_of(page_of(client, run, **{"as": "json"}))) == {"a": [1, {"b": EVIL}]}


def test_it_shows_a_value_as_hex_with_its_text(client, run):
    first = text_of(page_of(client, run, **{"as": "hex"})).split("\n")[0]
    assert first.startswith("00000000  64 65 76 6c 5b 7b 22 61  22 3a ")
    assert re.search(r"\|devl\[\{\"a\": ?1.*\|$", first)


def test_it_is_a_piece_for_htmx_which_keeps_the_address(client, run):
    answer = ask(client, run, htmx=True, **{"as": "hex"})
    assert answer["HX-Push-Url"] == "false"
    assert "<html" not in answer.content.decode()
    assert "<html" in page_of(client, run, **{"as": "hex"})


def test_it_gives_the_stored_bytes_as_a_file_that_no_browser_runs(client, run):
    answer = ask(client, run, raw=1)
    assert answer.content == run.input
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_it_finds_the_values_of_steps_hooks_and_events(client, run):
    step = make_step(run, output=devalue("of the step"))
    hook = make_hook(run, metadata=devalue("of the hook"))
    event = make_event(run, "step_created", {"word": "of the event"})
    for of in (f"step:{step.step_id}.output", f"hook:{hook.hook_id}.metadata", f"event:{event.event_id}"):
        assert f"of the {of.partition(':')[0]}" in page_of(client, run, of)


def test_it_opens_a_payload_inside_an_event_as_a_value_of_its_own(client, run):
    payload = devalue({"deep": [1, 2]})
    wrapped = {"__type": "Uint8Array", "data": base64.b64encode(payload).decode()}
    event = make_event(run, "step_created", {"input": wrapped, "name": "x"})
    page = page_of(client, run, f"event:{event.event_id}")
    assert '<span class="k">deep</span>' in page and ">payload</a>" in page
    assert ask(client, run, f"event:{event.event_id}.input", raw=1).content == payload
    assert "“x”" in page_of(client, run, f"event:{event.event_id}.name")
    assert ask(client, run, f"event:{event.event_id}.none").status_code == 404


@pytest.mark.parametrize(
    "of",
    ["", "run", "run.secret", "run.output", "step:none.input", "step:", "event:none", "hook:x.token", "\x00"],
)
def test_it_has_a_page_for_what_is_not_stored(client, run, of):
    assert ask(client, run, of).status_code == 404


@pytest.mark.parametrize(
    "query", [{"node": "x"}, {"start": "-1"}, {"node": "9" * 30}, {"as": EVIL}, {"start": "²"}]
)
def test_it_takes_a_question_that_is_none_for_the_value_itself(client, run, query):
    assert "<script>alert" not in page_of(client, run, **query)


def test_it_opens_a_large_value_part_by_part(client, run, monkeypatch):
    monkeypatch.setattr(_values, "LIMITS", Limits(nodes=100, depth=12))
    monkeypatch.setattr(_values, "NODE_LIMITS", Limits(nodes=50, depth=4))
    run.input = devalue({"rows": [{"n": at} for at in range(300)], "last": "seen"})
    run.save()
    page = page_of(client, run)
    assert "large: the rest opens part by part" in page
    assert len(page) < 400_000
    seen, waiting = set(re.findall(r'"k">n</span> <span class="y">(\d+)<', page)), openers(page)
    done = set()
    while waiting:
        node, start = waiting.pop()
        if (node, start) in done:
            continue
        done.add((node, start))
        part = page_of(client, run, htmx=True, node=node, start=start)
        assert part.startswith("<li>") and len(part) < 400_000
        seen |= set(re.findall(r'"k">n</span> <span class="y">(\d+)<', part))
        waiting += openers(part)
    assert seen == {str(at) for at in range(300)}


def test_it_numbers_the_rest_of_a_list_from_where_it_goes_on(client, run):
    part = page_of(client, run, node=1, start=1)
    assert '<span class="k">1</span>' in part and '<span class="k">0</span>' not in part
    assert "The whole of it" in part


def test_it_opens_what_is_nested_deeply(client, run):
    value = "the ground"
    for _ in range(60):
        value = [value]
    run.input = devalue(value)
    run.save()
    page = page_of(client, run)
    for _ in range(30):
        if "the ground" in page:
            break
        [(node, start)] = openers(page)
        page = page_of(client, run, htmx=True, node=node, start=start)
    assert "the ground" in page


def test_it_shows_a_cycle_as_a_way_back(client, run):
    run.input = b'devl[{"me":0,"list":1},[0,2],"x"]'
    run.save()
    page = page_of(client, run)
    assert page.count('<span class="tb">cycle</span>') == 2
    assert not openers(page)
    assert '"to": "$"' in text_of(page_of(client, run, **{"as": "json"}))


def test_it_reads_what_was_too_large_to_copy_from_the_world(client, run, monkeypatch):
    whole = devalue({"big": "x" * 10_000_000, "last": 42})
    run.input = stored_bytes(whole, "runs/x.json#input")
    run.save()
    asked = []
    monkeypatch.setattr(
        WORLDS.found["local"], "fetch_payload", lambda self, pointer: asked.append(pointer) or whole
    )
    page = page_of(client, run)
    assert f"kept as head: {HEAD_KEPT:,} bytes of {len(whole):,}" in page
    assert 'name="whole"' in page and not asked
    page = page_of(client, run, whole=1)
    assert '<span class="k">last</span> <span class="y">42</span>' in page or openers(page)
    assert len(page) < 400_000
    assert ask(client, run, raw=1).content == whole
    assert set(asked) == {"runs/x.json#input"}
    later = page_of(client, run, whole=1, start=TEXT_PAGE, **{"as": "json"})
    assert 'value="0"' in later and f'value="{2 * TEXT_PAGE}"' in later


def test_it_says_why_the_world_cannot_give_the_rest(client, run, monkeypatch):
    def gone(self, pointer):
        raise WorldError("the file is gone")

    run.input = stored_bytes(devalue("x" * 2_000_000), "runs/x.json#input")
    run.save()
    monkeypatch.setattr(WORLDS.found["local"], "fetch_payload", gone)
    assert "the file is gone" in page_of(client, run, whole=1)
    answer = ask(client, run, raw=1)
    assert answer.status_code == 404 and "the file is gone" in answer.content.decode()


def test_it_turns_pages_of_bytes(client, run):
    run.input = devalue("x" * 3 * HEX_PAGE)
    run.save()
    page = page_of(client, run, start=HEX_PAGE + 5, **{"as": "hex"})
    assert text_of(page).startswith("00001000")
    assert text_of(page).count("\n") == HEX_PAGE // 16 - 1
    assert 'value="0"' in page and f'value="{2 * HEX_PAGE}"' in page
    last = page_of(client, run, start=10**14, **{"as": "hex"})
    assert text_of(last).startswith("00003000")


def test_it_says_which_layer_failed_at_which_byte(client, run):
    run.input = b'devl[{"a":1},nonsense'
    run.save()
    page = htmllib.unescape(page_of(client, run))
    assert '<details class="report" open>' in page
    assert "at byte 13" in page
    assert "6e 6f 6e 73 65 6e 73 65" in page


def test_it_says_what_is_known_of_an_encrypted_value(client, run):
    run.input = b"encr" + bytes(60)
    run.save()
    page = page_of(client, run)
    assert "no key here" in page and "are inside" in page and "encrypted" in page


@pytest.mark.parametrize("mode", ["decoded", "json", "hex"])
def test_it_opens_the_whole_corpus_hostile_values_too(client, run, mode):
    for case in corpus():
        run.input = case.data
        run.save(update_fields=["input"])
        page = page_of(client, run, htmx=True, **{"as": mode})
        assert len(page) < 4_000_000, str(case)
        assert "<script" not in page and "<svg onload" not in page, str(case)


def test_it_links_streams_steps_and_workflows_to_their_pages(client, run):
    name = f"strm_{'0' * 26}_user"
    step = make_step(run, name="step//./flows//charge")
    run.input = (
        b'devl[[1,4,7],["ReadableStream",2],{"name":3},"'
        + name.encode()
        + b'",["StepFunction",5],{"stepId":6},'
        b'"step//./flows//charge",["WorkflowFunction",8],{"workflowId":9},"workflow//./flows//pay"]'
    )
    run.save()
    page = page_of(client, run)
    assert f'href="{reverse("stream", args=[run.world.slug, name])}"' in page
    assert f'href="{reverse("step", args=[run.world.slug, run.run_id, step.step_id])}"' in page
    assert "?workflow=workflow%2F%2F.%2Fflows%2F%2Fpay" in page


def test_it_says_where_the_rest_of_large_plain_json_is(client, run):
    run.error = stored_bytes({"rows": [[at] for at in range(1200)]}, "")
    run.save()
    page = page_of(client, run, "run.error")
    assert "the JSON view has more" in page and not openers(page)
    assert json.loads(text_of(page_of(client, run, "run.error", **{"as": "json"})))["rows"][1199] == [1199]


def test_a_long_list_shows_its_length_its_first_entries_and_where_the_rest_is(client, run):
    flat = [list(range(1, 1501)), *[{"id": 1501}] * 1500, "x"]
    run.input = b"devl" + json.dumps(flat).encode()
    run.save()
    page = page_of(client, run)
    assert "[1500]" in page and "[101]" not in page
    assert openers(page), "the rest is one click away"
