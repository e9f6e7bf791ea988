from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from dashboard.alerts.channels.base import CHANNELS, Channel, Field, FieldError, Message

KINDS = {
    "apprise",
    "browser",
    "discord",
    "email",
    "ntfy",
    "opsgenie",
    "pagerduty",
    "sentry",
    "slack",
    "stdout",
    "syslog",
    "teams",
    "telegram",
    "webhook",
}


def test_it_finds_one_channel_a_file():
    assert set(CHANNELS.found) == KINDS
    assert all(
        name == channel.kind and channel.label and channel.help for name, channel in CHANNELS.found.items()
    )


def test_each_kind_is_documented():
    text = (Path(__file__).parents[4] / "docs/channels.md").read_text()
    for channel in CHANNELS.found.values():
        assert f"`{channel.kind}`" in text
        for field in channel.fields:
            assert f"`{field.name}`" in text, (channel.kind, field.name)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_refuses_to_be_saved_without_what_it_needs(kind):
    channel = CHANNELS.found[kind]
    needed = [field.name for field in channel.fields if field.required]
    if kind == "syslog":
        needed = ["host"]
    if not needed:
        channel.check({}, {})
    else:
        with pytest.raises(FieldError) as told:
            channel.check({}, {})
        assert told.value.field == needed[0] and isinstance(told.value, ValueError)


def test_a_message_is_the_same_after_it_was_stored(message):
    again = Message.from_json(json.loads(json.dumps(message.as_json())))
    assert again == message and hash(again.facts) == hash(message.facts)


def test_what_is_no_message_is_not_read_as_one(message):
    values = message.as_json()
    del values["title"]
    with pytest.raises(KeyError):
        Message.from_json(values)


def test_the_text_of_a_message_has_all_of_it(message):
    assert message.text() == (
        "3 chunks were stored behind the end marker.\nReaders never see them <!channel>.\n\n"
        "World: local\nHow sure: proved\n\n"
        "How to fix it: Close the stream only after the last write.\n\n"
        "https://tailrace.example.com/anomalies/7/"
    )
    assert Message("test", "k", "only a title").text() == ""


def test_the_html_of_a_message_is_escaped(message):
    hostile = dataclasses.replace(
        message,
        lines=("<script>alert(1)</script>",),
        facts=(("<b>", '"><img src=x>'),),
        fix="<i>",
        url='https://a.example/"><script>',
    )
    html = hostile.html()
    assert not [raw for raw in ("<script", "<img", "<i>") if raw in html]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html and "&quot;&gt;&lt;img" in html
    assert 'href="https://a.example/&quot;&gt;&lt;script&gt;"' in html


def test_a_link_that_is_no_web_address_is_left_out(message):
    assert "<a " in message.html()
    assert "javascript" not in dataclasses.replace(message, url="javascript:alert(1)").html()


def test_the_subject_is_the_key_where_nothing_else_is_known(message):
    assert message.subject == "delivery-1"
    assert dataclasses.replace(message, data={"subject": "anomaly-7"}).subject == "anomaly-7"


class Sample(Channel):
    kind, label, help = "sample", "Sample", ""
    fields = (
        Field("text", "Text"),
        Field("url", "URL", "url"),
        Field("count", "Count", "number"),
        Field("colour", "Colour", "choice", choices=(("red", "Red"), ("blue", "Blue")), default="red"),
        Field("loud", "Loud", "flag"),
        Field("token", "Token", "secret", required=True),
    )

    def send(self, message: Message) -> str:
        return self.value("colour")


def test_it_takes_settings_as_its_fields_say(message):
    settings = {"text": "x", "url": "https://a.example", "count": "7", "colour": "blue", "loud": "1"}
    Sample.check(settings, {"token": "t"})
    assert Sample(settings, {"token": "t"}).send(message) == "blue"
    assert Sample({}, {}).send(message) == "red"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "a\nb"),
        ("url", "ftp://a"),
        ("count", "-1"),
        ("count", "٣"),
        ("colour", "green"),
        ("loud", "yes"),
    ],
)
def test_it_names_the_field_that_is_not_right(name, value):
    with pytest.raises(FieldError, match=f"^{name}: ") as told:
        Sample.check({name: value}, {"token": "t"})
    assert told.value.field == name


def test_a_secret_among_the_settings_does_not_count():
    with pytest.raises(FieldError, match=r"^token: this is needed"):
        Sample.check({"token": "t"}, {})
