"""What a bundle leaves out."""

from __future__ import annotations

import json
import re

import pytest

from dashboard.anomalies.detect import judge_world
from dashboard.bundle.redact import Redactor, safe_text, safe_values
from runs.payloads import decode_chunk
from streams.models import Chunk, Stream
from tests.dashboard.bundle.replayed import STOP, bundle, members, records, replayed, streams_of
from tests.factories import CLOSE_MARKER, make_chunks, make_run, make_stream, make_world

WORD = re.compile(r"\w+")
# Words of the bundle's own, which a text may use as well.
OWN_WORDS = {"stop", "text", "close", "world", "bytes"}
KEY = "k3y" + "Zq8Lw2Nf7Rt5Vb1Xc9" * 2


def text_in(value):
    """All text of a stored value: what an app or its user wrote, but for the words of the protocol."""
    if isinstance(value, dict):
        yield from (found for name, one in value.items() if name != "type" for found in text_in(one))
    elif isinstance(value, list):
        yield from (found for one in value for found in text_in(one))
    elif isinstance(value, str):
        yield value


@pytest.mark.django_db
@pytest.mark.parametrize(("sdk", "label"), [("4.2.4", "probe-full"), ("5.0.0-beta.5", "probe-w2")])
def test_no_text_of_a_recorded_stream_is_anywhere_in_its_bundle(tmp_path, sdk, label):
    words = 0
    for number, stream in enumerate(streams_of(replayed(sdk, label, tmp_path))):
        texts = {
            text.strip()
            for data in stream.chunks.values_list("data", flat=True)
            for one in decode_chunk(bytes(data)).values
            for text in text_in(one.value)
        } - {"stop"}
        told = set(WORD.findall(json.dumps(known_names(stream)))) | OWN_WORDS
        wanted = {
            word for text in texts for word in WORD.findall(text) if len(word) > 2 and not word.isdigit()
        } - told
        found = {
            word
            for data in members(bundle(stream, tmp_path / f"{number}.zip")).values()
            for word in words_in(data)
        }
        assert wanted & found == set(), stream.name
        words += len(wanted)
    assert words > 5


def words_in(data):
    return WORD.findall(data.decode())


def known_names(stream):
    """Names of code and ids, which a bundle tells."""
    run = stream.run
    steps = list(run.steps.values_list("name", "step_id")) if run else []
    return [stream.name, run and (run.run_id, run.workflow, run.deployment), steps]


SECRETS = [
    {"type": "start", "messageId": "msg-of-alice"},
    {"type": "data-diagnosis-alice", "id": "alice", "data": {"alice": ["alice"]}},
    {"type": "alice-type", "alice": "alice"},
    {"type": "text-start", "id": "alice"},
    {"type": "text-delta", "id": "alice", "delta": "alice"},
    {"type": "text-delta", "id": "alice-other", "delta": "alice"},
    {"type": "tool-input-start", "toolCallId": "alice", "toolName": "alice"},
    {"type": "source-url", "sourceId": "alice", "url": "https://alice.example/?alice"},
    {"type": "error", "errorText": "alice"},
    {"alice": "alice"},
    ["alice"],
    "alice",
    b"alice as bytes",
    CLOSE_MARKER,
]


@pytest.fixture
def stream():
    world = make_world()
    run = make_run(
        world, input=b'JSON"alice"', output=b'JSON"alice"', error=b'JSON"alice"', attributes={"alice": 1}
    )
    stream = make_stream(world, run=run)
    make_chunks(stream, SECRETS)
    Stream.objects.update(changes=1)
    judge_world(world.pk, STOP)
    return Stream.objects.select_related("run", "world").get()


@pytest.mark.django_db
def test_no_field_of_any_chunk_and_no_value_of_the_run_comes_through(stream, tmp_path):
    packed = members(bundle(stream, tmp_path / "b.zip"))

    assert [name for name, data in packed.items() if b"alice" in data.lower()] == []
    assert not any(name.startswith("payloads/") for name in packed)


@pytest.mark.django_db
def test_asked_for_payloads_it_gives_the_bytes_of_chunks_and_nothing_else(stream, tmp_path):
    packed = members(bundle(stream, tmp_path / "b.zip", payloads=True))

    payload = next(data for name, data in packed.items() if name.startswith("payloads/"))
    assert payload == b"".join(bytes(row.data) for row in Chunk.objects.order_by("arrival"))
    assert b"alice" not in packed["run.json"] + packed["steps.json"] + packed["events.jsonl"]


@pytest.mark.django_db
def test_the_structure_stays_and_the_same_id_is_the_same_everywhere(stream, tmp_path):
    chunks = records(members(bundle(stream, tmp_path / "b.zip"))["chunks.jsonl"])
    values = [one["outline"]["values"][0] for one in chunks[:9]]

    assert [one["type"] for one in values[3:6]] == ["text-start", "text-delta", "text-delta"]
    assert values[3]["id"] == values[4]["id"] != values[5]["id"]
    assert values[4]["delta"] == {"characters": 5}
    assert values[1]["type"].startswith("data-") and values[2]["type"].startswith("unknown-")
    assert chunks[12]["outline"] == {"form": "raw-bytes"} and "outline" not in chunks[13]


@pytest.mark.django_db
def test_a_digest_does_not_give_a_short_text_away_but_tells_equal_bytes(stream, tmp_path):
    chunks = records(members(bundle(stream, tmp_path / "b.zip"))["chunks.jsonl"])
    digests = [bytes(row.digest).hex() for row in Chunk.objects.order_by("arrival")]

    assert not {one["digest"] for one in chunks} & set(digests)
    whole = Redactor("a").digest(bytes(16))
    assert len(whole) == 16 and Redactor("a").digest(bytes(8)) == whole[:8] != Redactor("b").digest(bytes(8))


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("GET https://u:p@h.example/a?token=x&b=c failed", "GET https://h.example/a?*** failed"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ('{"apiKey":"abc","ok":true}', '{"apiKey":***,"ok":true}'),
        ("password=hunter2; code 409", "password=***; code 409"),
        (f"key {KEY} was refused", "key *** was refused"),
        ("sk_live_abcdefghijkl", "***"),
        ("mail to alice@example.com", "mail to ***"),
        ("ENOENT /home/alice/app/x.json", "ENOENT /home/***/app/x.json"),
    ],
)
def test_what_looks_like_a_secret_is_left_out_of_errors(text, safe):
    assert safe_text(text) == safe


@pytest.mark.parametrize(
    "text",
    [
        'HTTP 409: {"error":"conflict","message":"Run \\"wrun_01M803SMNHD6VG7WR7PTN7E61Z\\" is already completed"}',
        "chnk_01M803XXD9XE24MKGK5ED915D6 of strm_01M803XX9EKPGB0DR66MWJRZ8Z_user_bG9n",
        "Step streamThroughOneWriterWithALongName wrote after the end",
        "connect ECONNREFUSED 127.0.0.1:3000",
    ],
)
def test_what_a_maintainer_needs_stays(text):
    assert safe_text(text) == text
    assert safe_values({"a": [text, 1, None]}) == {"a": [text, 1, None]}
