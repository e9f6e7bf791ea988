from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from dashboard.alerts.channels.base import DeliveryError, FieldError
from dashboard.alerts.channels.webhook import Webhook, body, signature
from tests.needs import find_node

DOCS = Path(__file__).parents[4] / "docs"
SECRET = "a secret of sixteen or more"


def deviations(value, schema, where="$"):
    """What of a value is not as the schema has it, for the words of JSON Schema that the schema uses."""
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "null": type(None),
    }
    wanted = schema.get("type")
    if wanted and not isinstance(value, types[wanted]):
        return [f"{where} is no {wanted}"]
    found = [f"{where} is not one of the values"] if "enum" in schema and value not in schema["enum"] else []
    if "const" in schema and value != schema["const"]:
        found.append(f"{where} is not {schema['const']}")
    if len(value) > schema.get("maxLength", 10**9) if isinstance(value, str) else False:
        found.append(f"{where} is too long")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{where} is not as the pattern has it")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, inner in value.items():
            found += deviations(inner, known[name], f"{where}.{name}") if name in known else []
    if isinstance(value, list):
        for at, inner in enumerate(value):
            found += deviations(inner, schema.get("items", {}), f"{where}[{at}]")
    return found


@pytest.fixture(scope="module")
def schema():
    return json.loads((DOCS / "webhook.schema.json").read_text())


def test_it_posts_json_by_the_schema(receiver, message, schema):
    receiver.will_answer(200, b"thanks")
    assert Webhook({"url": f"{receiver.url}/hook?x=1"}, {}).send(message) == "200 thanks"
    sent = receiver.only
    assert (sent.method, sent.path, sent.headers["content-type"]) == ("POST", "/hook?x=1", "application/json")
    assert sent.headers["idempotency-key"] == "delivery-1" and sent.headers["x-tailrace-event"] == "anomaly"
    assert not {"x-tailrace-signature", "authorization"} & set(sent.headers)
    assert deviations(sent.json, schema) == []
    assert sent.json["fingerprint"] == "f00d" and sent.json["at_ns"] == "1790000000123456789"
    assert sent.json["facts"][0] == {"label": "World", "value": "local"}


@pytest.mark.parametrize("change", [{"event": "unknown"}, {"severity": "odd"}, {"title": "x" * 151}])
def test_the_schema_refuses_another_shape(message, schema, change):
    assert deviations(body(dataclasses.replace(message, **change)), schema)


def test_the_schema_refuses_what_lacks_a_part(message, schema):
    for name in schema["required"]:
        values = body(message)
        del values[name]
        assert deviations(values, schema) == [f"$.{name} is missing"]


def test_what_a_subject_is_called_never_replaces_what_is_said_of_the_message(message):
    assert body(dataclasses.replace(message, data={"key": "other", "title": "other"}))["key"] == "delivery-1"


def test_it_signs_the_time_and_the_body(receiver, message):
    before = int(time.time())
    Webhook({"url": receiver.url}, {"secret": SECRET, "authorization": "Bearer abc"}).send(message)
    sent = receiver.only
    assert sent.headers["authorization"] == "Bearer abc"
    at, signed = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", sent.headers["x-tailrace-signature"]).groups()
    assert before <= int(at) <= time.time()
    again = hmac.new(SECRET.encode(), f"{at}.".encode() + sent.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signed, again)


def test_every_attempt_has_the_same_key_and_the_same_body(receiver, message):
    receiver.answers = [(500, {}, b""), (200, {}, b"")]
    channel = Webhook({"url": receiver.url}, {})
    with pytest.raises(DeliveryError):
        channel.send(message)
    channel.send(message)
    first, second = receiver.requests
    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == "delivery-1"


@pytest.mark.parametrize(("status", "permanent"), [(410, True), (404, True), (429, False), (503, False)])
def test_it_fails_for_good_or_for_now(receiver, message, status, permanent):
    receiver.will_answer(status, b"", Retry_After="9")
    with pytest.raises(DeliveryError, match=f"answered with {status}") as told:
        Webhook({"url": receiver.url}, {}).send(message)
    assert (told.value.permanent, told.value.retry_after_s) == (permanent, None if permanent else 9)


def test_a_target_on_this_machine_is_refused_where_no_setting_allows_it(message):
    with pytest.raises(
        DeliveryError, match="a loopback address; TAILRACE_OUTBOUND_ALLOW can allow it"
    ) as told:
        Webhook({"url": "http://127.0.0.1:9/hook"}, {}).send(message)
    assert told.value.permanent


def test_a_secret_that_comes_back_is_not_shown(receiver, message):
    receiver.will_answer(401, b"wrong: Bearer abcdefghijkl")
    with pytest.raises(DeliveryError) as told:
        Webhook({"url": receiver.url}, {"authorization": "Bearer abcdefghijkl"}).send(message)
    assert "abcdefghijkl" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "secrets", "field"),
    [
        ("https://user:password@a.example/", {}, "url"),
        ("https://0x7f.1/", {}, "url"),
        ("https://a.example/", {"secret": "short"}, "secret"),
        ("https://a.example/", {"authorization": "Bearer ✓"}, "authorization"),
    ],
)
def test_it_names_the_field_with_which_it_cannot_be_saved(url, secrets, field):
    with pytest.raises(FieldError) as told:
        Webhook.check({"url": url}, secrets)
    assert told.value.field == field


def example(language):
    return re.search(rf"```{language}\n(.*?)```", (DOCS / "channels.md").read_text(), re.DOTALL)[1]


CASES = [("good", 0, True), ("other body", 0, False), ("other secret", 0, False), ("good", -400, False)]


@pytest.mark.parametrize(("case", "age_s", "expected"), CASES)
def test_the_documented_check_in_python_tells_right_from_wrong(case, age_s, expected):
    names: dict = {}
    exec(example("python"), names)
    content, secret, now = b'{"version":1}', SECRET, int(time.time())
    header = signature(content, secret, now + age_s)
    given = (
        (content + b" ", secret)
        if case == "other body"
        else (content, "x" * 16 if case == "other secret" else secret)
    )
    assert names["is_from_tailrace"](given[0], header, given[1]) is expected


def test_the_documented_check_in_python_refuses_a_header_that_is_none():
    names: dict = {}
    exec(example("python"), names)
    for header in ("", "t=1", "v1=abc", "t=x,v1=abc", "t=²,v1=abc", f"t={int(time.time())},v1=é", "nonsense"):
        assert names["is_from_tailrace"](b"{}", header, SECRET) is False


def test_the_documented_check_in_node_tells_right_from_wrong(tmp_path):
    now = int(time.time())
    content = '{"title":"é"}'.encode()
    cases = [
        [content.decode(), signature(content, SECRET, now), SECRET],
        [content.decode() + " ", signature(content, SECRET, now), SECRET],
        [content.decode(), signature(content, SECRET, now), "x" * 16],
        [content.decode(), signature(content, SECRET, now - 400), SECRET],
        [content.decode(), "nonsense", SECRET],
        [content.decode(), "", SECRET],
    ]
    script = tmp_path / "check.mjs"
    script.write_text(
        example("js")
        + f"const cases = {json.dumps(cases)};\n"
        + "console.log(JSON.stringify(cases.map(([body, header, secret]) =>"
        + " isFromTailrace(Buffer.from(body), header, secret))));\n"
    )
    node = find_node()
    assert node is not None, "it is one of the development packages"
    found = subprocess.run([node.node, str(script)], check=False, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == [True, False, False, False, False, False]
