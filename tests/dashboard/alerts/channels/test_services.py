"""What each service gets, against the schema in its documentation. All names lead to one HTTPS server on loopback."""

from __future__ import annotations

import dataclasses
import re

import pytest

from dashboard.alerts.channels.base import CHANNELS, DeliveryError

TOKEN = "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
SLACK = {"url": f"https://hooks.slack.com/services/{TOKEN}"}
DISCORD = {"url": "https://discord.com/api/webhooks/123456789012345678/abcDEF-ghi_jklmnopqrstuvwxyz"}
TELEGRAM = {"token": "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"}
TEAMS = {
    "url": "https://prod-01.westeurope.logic.azure.com:443/workflows/0123456789abcdef/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=SIGNATURESIGNATURE"
}
NTFY = {"topic": "tailrace-alerts_7", "token": "tk_abcdefghijklmnop"}
PAGERDUTY = {"key": "0123456789abcdef0123456789ABCDEF"}
OPSGENIE = {"key": "01234567-89ab-cdef-0123-456789abcdef"}
SENTRY = {"dsn": "https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/4505"}

ALL = {
    "slack": ({}, SLACK),
    "discord": ({}, DISCORD),
    "telegram": ({"chat": "-1001234567890", "thread": "42"}, TELEGRAM),
    "teams": ({}, TEAMS),
    "ntfy": ({}, NTFY),
    "pagerduty": ({"region": "eu"}, PAGERDUTY),
    "opsgenie": ({}, OPSGENIE),
    "sentry": ({"environment": "staging"}, SENTRY),
}


def channel(kind, **settings):
    given, secrets = ALL[kind]
    CHANNELS.found[kind].check({**given, **settings}, secrets)
    return CHANNELS.found[kind]({**given, **settings}, secrets)


def test_slack_gets_text_and_an_attachment_of_blocks(service, message):
    assert channel("slack").send(message) == "200 ok"
    sent = service.only
    assert (sent.method, sent.path) == ("POST", f"/services/{TOKEN}")
    assert sent.headers["host"] == "hooks.slack.com" and sent.headers["content-type"] == "application/json"
    assert set(sent.json) == {"text", "mrkdwn", "attachments"}
    assert sent.json["text"] == "Chunks behind the end marker in &lt;chat&gt; @everyone"
    (attachment,) = sent.json["attachments"]
    assert set(attachment) == {"color", "fallback", "blocks"} and attachment["color"] == "#dc2626"
    blocks = attachment["blocks"]
    assert [block["type"] for block in blocks] == ["section"] * 4
    assert blocks[0]["text"]["type"] == "plain_text" and "<!channel>" in blocks[0]["text"]["text"]
    assert [field["text"] for field in blocks[1]["fields"]] == ["World: local", "How sure: proved"]
    assert blocks[3]["text"] == {
        "type": "mrkdwn",
        "text": "<https://tailrace.example.com/anomalies/7/|Open in Tailrace>",
    }


def test_slack_gets_no_more_than_its_blocks_hold(service, message):
    long = dataclasses.replace(message, lines=("x" * 9000,), facts=(("a", "y" * 9000),) * 30, url="")
    channel("slack").send(long)
    blocks = service.only.json["attachments"][0]["blocks"]
    assert len(blocks) <= 50 and len(blocks[0]["text"]["text"]) == 3000
    assert len(blocks[1]["fields"]) == 10 and len(blocks[1]["fields"][0]["text"]) == 2000


def test_discord_gets_an_embed_and_calls_nobody(service, message):
    service.will_answer(200, b'{"id": "1"}')
    assert channel("discord").send(message) == "200 posted"
    sent = service.only
    assert sent.path.endswith("?wait=true") and sent.headers["host"] == "discord.com"
    assert set(sent.json) == {"username", "embeds", "allowed_mentions"}
    assert sent.json["allowed_mentions"] == {"parse": []}
    (embed,) = sent.json["embeds"]
    assert embed["title"] == r"Chunks behind the end marker in \<chat\> @everyone"
    assert embed["color"] == 0xDC2626 and embed["url"] == message.url
    assert embed["timestamp"] == "2026-09-21T14:13:20.123Z"
    assert embed["fields"][0] == {"name": "World", "value": "local", "inline": True}


def test_discord_gets_no_more_than_an_embed_holds(service, message):
    long = dataclasses.replace(
        message, title="*" * 150, lines=("x" * 9000,), facts=(("l" * 500, "_" * 9000),) * 40, fix="z" * 5000
    )
    channel("discord").send(long)
    embed = service.only.json["embeds"][0]
    assert len(embed["title"]) <= 256 and len(embed["description"]) <= 4096 and len(embed["fields"]) <= 25
    assert all(len(one["name"]) <= 256 and 0 < len(one["value"]) <= 1024 for one in embed["fields"])
    texts = [embed["title"], embed["description"]] + [one["name"] + one["value"] for one in embed["fields"]]
    assert sum(map(len, texts)) <= 6000


def test_telegram_gets_a_message_of_its_html(service, message):
    service.will_answer(200, b'{"ok": true, "result": {"message_id": 1}}')
    assert channel("telegram").send(message) == "200 posted"
    sent = service.only
    assert sent.path == f"/bot{TELEGRAM['token']}/sendMessage" and sent.headers["host"] == "api.telegram.org"
    assert set(sent.json) == {"chat_id", "text", "parse_mode", "link_preview_options", "message_thread_id"}
    assert (sent.json["chat_id"], sent.json["message_thread_id"]) == ("-1001234567890", 42)
    assert sent.json["parse_mode"] == "HTML" and sent.json["link_preview_options"] == {"is_disabled": True}
    assert sent.json["text"].startswith("<b>Chunks behind the end marker in &lt;chat&gt; @everyone</b>")
    assert set(re.findall(r"<(\w+)", sent.json["text"])) == {"b", "a"}


def test_telegram_gets_no_more_than_a_message_holds(service, message):
    service.will_answer(200, b'{"ok": true}')
    long = dataclasses.replace(
        message, lines=("<" * 9000,), facts=(("a" * 99, "b" * 999),) * 40, fix="&" * 9000
    )
    channel("telegram").send(long)
    shown = re.sub(r"</?\w[^>]*>", "", service.only.json["text"]).replace("&lt;", "<").replace("&amp;", "&")
    assert len(shown) <= 4096


def test_telegram_says_in_its_body_how_long_to_wait(service, message):
    service.will_answer(
        429, b'{"ok":false,"error_code":429,"description":"Too Many","parameters":{"retry_after":31}}'
    )
    with pytest.raises(DeliveryError, match="answered with 429: Too Many") as told:
        channel("telegram").send(message)
    assert told.value.retry_after_s == 31 and not told.value.permanent


def test_telegram_that_says_no_in_a_200_is_a_failure(service, message):
    service.will_answer(200, b'{"ok": false, "description": "odd"}')
    with pytest.raises(DeliveryError, match="odd"):
        channel("telegram").send(message)


def test_teams_gets_an_adaptive_card(service, message):
    service.will_answer(202)
    assert channel("teams").send(message) == "202"
    sent = service.only
    assert sent.path.startswith("/workflows/0123456789abcdef/") and "sig=SIGNATURESIGNATURE" in sent.path
    assert sent.json["type"] == "message"
    (attachment,) = sent.json["attachments"]
    assert (
        attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        and attachment["contentUrl"] is None
    )
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert [one["type"] for one in card["body"]] == [
        "TextBlock",
        "TextBlock",
        "TextBlock",
        "FactSet",
        "TextBlock",
    ]
    assert all(one["wrap"] for one in card["body"] if one["type"] == "TextBlock")
    assert card["body"][3]["facts"][0] == {"title": "World", "value": "local"}
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open in Tailrace", "url": message.url}]


def test_teams_makes_no_link_of_a_text(service, message):
    service.will_answer(202)
    channel("teams").send(dataclasses.replace(message, lines=("[sign in](https://evil.example)",)))
    assert r"\[sign in\](https://evil.example)" in service.only.body.decode().replace("\\\\", "\\")


def test_ntfy_gets_a_published_message(service, message):
    assert channel("ntfy").send(message) == "200 published"
    sent = service.only
    assert (sent.path, sent.headers["host"]) == ("/", "ntfy.sh")
    assert sent.headers["authorization"] == "Bearer tk_abcdefghijklmnop"
    assert sent.json == {
        "topic": "tailrace-alerts_7",
        "title": message.title,
        "message": message.text(),
        "priority": 4,
        "tags": ["rotating_light"],
        "click": message.url,
    }


def test_ntfy_gets_no_more_than_a_message_holds(service, message):
    channel("ntfy").send(dataclasses.replace(message, lines=("é" * 9000,)))
    assert len(service.only.json["message"].encode()) <= 4096


def test_pagerduty_gets_an_event_that_opens_an_incident(service, message):
    service.will_answer(202, b'{"status":"success","message":"Event processed","dedup_key":"s7"}')
    about = dataclasses.replace(message, data={"subject": "s7"})
    assert channel("pagerduty").send(about).startswith("202 ")
    sent = service.only
    assert (sent.path, sent.headers["host"]) == ("/v2/enqueue", "events.eu.pagerduty.com")
    event = sent.json
    assert (event["routing_key"], event["event_action"], event["dedup_key"]) == (
        PAGERDUTY["key"],
        "trigger",
        "s7",
    )
    assert set(event["payload"]) == {"summary", "source", "severity", "timestamp", "class", "custom_details"}
    assert event["payload"]["severity"] == "error" and event["payload"]["source"] == "local"
    assert event["links"] == [{"href": message.url, "text": "Open in Tailrace"}]
    assert event["client_url"] == message.url


def test_pagerduty_gets_an_event_that_resolves_the_same_incident(service, message):
    service.will_answer(202, b"{}")
    channel("pagerduty").send(dataclasses.replace(message, event="recovered", data={"subject": "s7"}))
    assert service.only.json == {
        "routing_key": PAGERDUTY["key"],
        "event_action": "resolve",
        "dedup_key": "s7",
    }


def test_opsgenie_gets_an_alert(service, message):
    service.will_answer(202, b'{"result":"Request will be processed"}')
    channel("opsgenie").send(dataclasses.replace(message, data={"subject": "s7"}))
    sent = service.only
    assert (sent.path, sent.headers["host"]) == ("/v2/alerts", "api.opsgenie.com")
    assert sent.headers["authorization"] == f"GenieKey {OPSGENIE['key']}"
    assert (sent.json["alias"], sent.json["priority"], sent.json["source"]) == ("s7", "P2", "Tailrace")
    assert len(sent.json["message"]) <= 130 and sent.json["details"] == {
        "World": "local",
        "How sure": "proved",
    }


def test_opsgenie_gets_the_alert_closed(service, message):
    service.will_answer(202, b"{}")
    channel("opsgenie").send(dataclasses.replace(message, event="recovered", data={"subject": "a/7 ?"}))
    assert service.only.path == "/v2/alerts/a%2F7%20%3F/close?identifierType=alias"
    assert set(service.only.json) == {"source", "note"}


STATUSES = [
    (400, True),
    (401, True),
    (403, True),
    (404, True),
    (410, True),
    (408, False),
    (429, False),
    (500, False),
    (502, False),
    (503, False),
]


@pytest.mark.parametrize("kind", sorted(ALL))
@pytest.mark.parametrize(("status", "permanent"), STATUSES)
def test_each_service_fails_for_good_or_for_now(service, message, kind, status, permanent):
    service.will_answer(status, b"the reason", Retry_After="17")
    with pytest.raises(DeliveryError, match=f"answered with {status}: the reason") as told:
        channel(kind).send(message)
    assert told.value.permanent is permanent
    assert told.value.retry_after_s == (None if permanent else 17)
    assert len(service.requests) == 1


@pytest.mark.parametrize("kind", sorted(ALL))
def test_no_service_is_followed_elsewhere(service, message, kind):
    service.will_answer(302, b"", Location="https://hooks.slack.com/elsewhere")
    with pytest.raises(DeliveryError, match="redirect") as told:
        channel(kind).send(message)
    assert told.value.permanent and len(service.requests) == 1


@pytest.mark.parametrize("kind", sorted(ALL))
def test_no_error_shows_a_secret(service, message, kind):
    secret = next(iter(ALL[kind][1].values()))
    parts = [part for part in re.split(r"[/?&=:@]", secret.partition("://")[2] or secret) if len(part) >= 16]
    assert parts or len(secret) < 20
    service.will_answer(403, f"no access with {secret} or {' '.join(parts)}".encode())
    with pytest.raises(DeliveryError) as told:
        channel(kind).send(message)
    hosts = {"hooks.slack.com", "o1.ingest.sentry.io", "prod-01.westeurope.logic.azure.com"}
    assert not [part for part in [secret, *parts] if part in str(told.value) and part not in hosts]


@pytest.mark.parametrize("kind", sorted(ALL))
def test_each_service_takes_the_smallest_message(service, message, kind):
    service.will_answer(200, b'{"ok": true}')
    small = dataclasses.replace(
        message, lines=(), facts=(), fix="", url="", data={}, severity="odd", at_ns=2**63 - 1
    )
    assert channel(kind).send(small).startswith("200")
    assert len(service.requests) == 1
