from __future__ import annotations

import dataclasses
import json

import pytest

from dashboard.alerts.channels.base import DeliveryError
from dashboard.alerts.channels.sentry import Sentry

KEY = "0123456789abcdef0123456789abcdef"


def parse_envelope(content: bytes):
    """As the developer documentation has it: header line, then for each item a header line and `length` bytes."""
    head, rest = content.split(b"\n", 1)
    items = []
    while rest.strip():
        item_head, rest = rest.split(b"\n", 1)
        about = json.loads(item_head)
        items.append((about, rest[: about["length"]]))
        assert rest[about["length"] : about["length"] + 1] == b"\n"
        rest = rest[about["length"] + 1 :]
    return json.loads(head), items


def send(service, message, dsn=f"https://{KEY}@o1.ingest.sentry.io/4505"):
    Sentry({"environment": "staging"}, {"dsn": dsn}).send(message)
    return service.requests[-1]


def test_it_sends_an_envelope_with_one_event(service, message):
    service.will_answer(200, b'{"id": "x"}')
    sent = send(service, message)
    assert (sent.path, sent.headers["content-type"]) == (
        "/api/4505/envelope/",
        "application/x-sentry-envelope",
    )
    auth = f"Sentry sentry_version=7, sentry_client=tailrace/1, sentry_key={KEY}"
    assert sent.headers["x-sentry-auth"] == auth
    head, ((about, item),) = parse_envelope(sent.body)
    event = json.loads(item)
    assert head["event_id"] == event["event_id"] and len(event["event_id"]) == 32
    assert head["sent_at"].endswith("Z")
    assert about == {"type": "event", "content_type": "application/json", "length": len(item)}
    assert (event["level"], event["platform"], event["environment"]) == ("error", "other", "staging")
    assert event["fingerprint"] == ["tailrace", "delivery-1"]
    assert event["logentry"] == {"formatted": message.title}
    assert event["tags"]["tailrace.url"] == message.url == event["extra"]["url"]
    assert event["contexts"]["tailrace"]["World"] == "local"


def test_what_is_sent_again_is_the_same_event(service, message):
    first, again = (parse_envelope(send(service, message).body)[0]["event_id"] for _ in range(2))
    other = parse_envelope(send(service, dataclasses.replace(message, key="delivery-2")).body)[0]["event_id"]
    assert first == again != other


def test_critical_is_fatal_there(service, message):
    _, ((_, item),) = parse_envelope(send(service, dataclasses.replace(message, severity="critical")).body)
    assert json.loads(item)["level"] == "fatal"


@pytest.mark.parametrize("event", ["recovered", "present"])
def test_a_recovery_does_not_open_the_issue_again(service, message, event):
    answer = Sentry({}, {"dsn": f"https://{KEY}@o1.ingest.sentry.io/1"}).send(
        dataclasses.replace(message, event=event)
    )
    assert answer.startswith("not sent") and not service.requests


def test_it_keeps_the_path_of_a_server_of_ones_own(receiver, message):
    Sentry({}, {"dsn": f"http://{KEY}@127.0.0.1:{receiver.port}/errors/7"}).send(message)
    assert receiver.only.path == "/errors/api/7/envelope/"


def test_a_dsn_that_is_none_is_a_permanent_failure(message):
    with pytest.raises(DeliveryError, match="a DSN reads") as told:
        Sentry({}, {"dsn": "nonsense"}).send(message)
    assert told.value.permanent
