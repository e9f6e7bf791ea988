from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable

import pytest

from dashboard.proxy import taps
from tests.dashboard.proxy.backend import Reader, Writer, answering, head, proxied, within

RUN, STREAM = "wrun_01M80N734RVZ1749N7XYQBW97V", "strm_01M80N734RVZ1749N7XYQBW97V_user"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CONFLICT = json.dumps(
    {"success": False, "error": "conflict", "message": f'Run "{RUN}" is already completed'}
).encode()
AGENT = "User-Agent: @workflow/world-vercel/4.7.4 node-v20.20.2"


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: app",
        *headers,
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def batch(*chunks: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(chunk)) + chunk for chunk in chunks)


def text(value: str) -> bytes:
    raw = value.encode()
    return (bytes([0x60 + len(raw)]) if len(raw) < 24 else b"\x78" + bytes([len(raw)])) + raw


def cbor(values: dict[str, object]) -> bytes:
    """As the SDK writes maps: with a length of 16 bits."""
    found = b"\xb9" + struct.pack(">H", len(values))
    for name, value in values.items():
        found += text(name)
        if isinstance(value, dict):
            found += cbor(value)
        elif isinstance(value, list):
            found += bytes([0x80 + len(value)]) + b"".join(cbor(one) for one in value)
        elif isinstance(value, bytes):
            found += b"\x5a" + struct.pack(">I", len(value)) + value
        else:
            found += b"\x19" + struct.pack(">H", value) if isinstance(value, int) else text(str(value))
    return found


def test_the_helper_writes_what_cbor_readers_read():
    from dashboard.proxy.cbor import peek

    value = {"a": "b", "c": {"d": 300}, "e": [{"f": b"g"}]}
    assert peek(cbor(value)) == value


async def test_it_records_a_chunk_with_its_hash_time_and_client():
    async with proxied(answering(OK)) as setup:
        path = f"/api/v2/runs/{RUN}/stream/{STREAM}_bG9n?x=1"
        got = await setup.ask(request("PUT", path, AGENT, body=b"chunk"))
    assert got.endswith(b"ok")
    (write,) = setup.records
    assert (write["type"], write["n"], write["op"], write["ok"]) == ("write", 1, "write", True)
    assert (write["run"], write["stream"]) == (RUN, f"{STREAM}_bG9n")
    assert write["chunks"] == [{"size": 5, "hash": digest(b"chunk")}]
    assert write["took"] >= 0 and write["called"] > 1.7e12
    assert "step" not in write and "overlaps" not in write


async def test_it_records_the_chunks_of_a_batch_one_by_one():
    chunks = [b"", b"one", b"x" * 100_000]
    async with proxied(answering(OK)) as setup:
        path = f"/v2/runs/{RUN}/stream/{STREAM}"
        await setup.ask(request("PUT", path, "X-Stream-Multi: true", body=batch(*chunks)))
    (write,) = setup.records
    assert write["chunks"] == [{"size": len(chunk), "hash": digest(chunk)} for chunk in chunks]


async def test_it_records_a_close():
    async with proxied(answering(OK)) as setup:
        await setup.ask(request("PUT", f"/v2/runs/{RUN}/stream/{STREAM}", "X-Stream-Done: true"))
    (write,) = setup.records
    assert (write["op"], write["chunks"], write["ok"]) == ("close", [], True)


async def test_it_records_a_rejected_write_and_passes_the_rejection_on():
    rejection = answer("409 Conflict", CONFLICT, "Content-Type: application/json")
    async with proxied(answering(rejection)) as setup:
        got = await setup.ask(request("PUT", f"/v2/runs/{RUN}/stream/{STREAM}", body=b"late"))
    assert got.endswith(CONFLICT) and got.startswith(b"HTTP/1.1 409 Conflict")
    (write,) = setup.records
    assert write["ok"] is False and write["took"] >= 0
    message = f"Stream write failed: HTTP 409: {CONFLICT.decode()}"
    assert write["error"] == {"name": "HttpError", "status": 409, "message": message}


async def test_a_rejection_in_cbor_is_read_too():
    body = cbor({"success": "no", "message": "Run is already completed"})
    rejection = answer("409 Conflict", body, "Content-Type: application/cbor")
    async with proxied(answering(rejection)) as setup:
        await setup.ask(request("PUT", f"/v2/runs/{RUN}/stream/{STREAM}", body=b"late"))
    assert setup.records[0]["error"]["message"] == "Stream write failed: HTTP 409: Run is already completed"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_reading_a_stream_is_not_recorded(method):
    async with proxied(answering(OK)) as setup:
        await setup.ask(request(method, f"/v2/runs/{RUN}/stream/{STREAM}"))
        await setup.ask(request(method, f"/v2/runs/{RUN}"))
        await setup.ask(request("GET", f"/v4/runs/{RUN}/events/evnt_1"))
    assert setup.records == []


async def test_it_records_an_event_of_the_framed_kind():
    meta = cbor(
        {"eventType": "step_started", "correlationId": "step_1", "stepName": "step//a//b", "attempt": 2}
    )
    body = batch(meta, b"p" * 200_000)
    async with proxied(answering(OK)) as setup:
        await setup.ask(request("POST", f"/api/v4/runs/{RUN}/events/step_started", body=body))
    (event,) = setup.records
    assert (event["type"], event["event"], event["run"], event["id"]) == (
        "event",
        "step_started",
        RUN,
        "step_1",
    )
    assert (event["step_name"], event["attempt"], event["ok"]) == ("step//a//b", 2, True)


async def test_it_records_the_events_of_a_batch_each_with_its_own_outcome():
    body = batch(
        cbor({"eventType": "step_created", "correlationId": "step_1"}),
        b"payload",
        cbor({"eventType": "step_created", "correlationId": "step_2"}),
        b"",
    )
    results = cbor({"results": [{"status": 200}, {"status": 409, "message": "exists"}]})
    told = answer("200 OK", results, "Content-Type: application/cbor")
    async with proxied(answering(told)) as setup:
        await setup.ask(request("POST", f"/v4/runs/{RUN}/events/batch", body=body))
        await setup.ask(request("PUT", f"/v2/runs/{RUN}/stream/{STREAM}", body=b"next"))
    first, second, write = setup.records
    assert [(one["id"], one["ok"], one["n"]) for one in (first, second)] == [
        ("step_1", True, 1),
        ("step_2", False, 2),
    ]
    assert second["error"] == {"name": "HttpError", "status": 409, "message": "exists"}
    assert write["n"] == 3


async def test_it_records_an_event_of_the_older_kind_and_finds_the_new_runs_id():
    data = {"workflowName": "workflow//a//b", "input": b"i" * 200_000}
    body = cbor({"eventType": "run_created", "eventData": data, "specVersion": 3})
    told = answer(
        "200 OK",
        cbor({"event": {"runId": RUN, "eventType": "run_created"}}),
        "Content-Type: application/cbor",
    )
    async with proxied(answering(told)) as setup:
        await setup.ask(request("POST", "/api/v3/runs/null/events", body=body))
    (event,) = setup.records
    assert (event["event"], event["run"], event["workflow"]) == ("run_created", RUN, "workflow//a//b")


async def test_a_run_that_was_not_created_is_not_recorded():
    body = cbor({"eventType": "run_created"})
    async with proxied(answering(answer("503 Service Unavailable", b"no"))) as setup:
        await setup.ask(request("POST", "/api/v3/runs/null/events", body=body))
    assert setup.records == []


async def test_a_refused_event_is_not_ok():
    async with proxied(answering(answer("409 Conflict", b"no"))) as setup:
        await setup.ask(request("POST", f"/v4/runs/{RUN}/events/run_completed", body=b"nonsense"))
    (event,) = setup.records
    assert (event["event"], event["ok"], event["error"]["status"]) == ("run_completed", False, 409)


SECRETS = ["vca_abcdef1234567890", "eyJhbGciOi.eyJzdWIi.c2ln", "session-4711-secret", "whsec_hooktoken_999"]


async def test_tokens_are_never_reported_or_said(capfd):
    async def leak(reader: Reader, writer: Writer) -> None:
        got = await head(reader)
        await within(reader.readexactly(1))
        # A backend that repeats what it was sent.
        writer.write(answer("403 Forbidden", got))
        await writer.drain()
        await within(reader.read())

    headers = [f"Authorization: Bearer {SECRETS[0]}", f"x-vercel-trusted-oidc-idp-token: {SECRETS[1]}"]
    headers += [f"Cookie: s={SECRETS[2]}"]
    async with proxied(leak) as setup:
        path = f"/v2/runs/{RUN}/stream/{STREAM}?token={SECRETS[3]}"
        got = await setup.ask(request("PUT", path, *headers, body=b"x"))
    assert all(secret.encode() in got for secret in SECRETS)
    out, err = capfd.readouterr()
    told = json.dumps(setup.records) + json.dumps(setup.said) + out + err
    assert setup.records[0]["error"]["status"] == 403
    assert not [secret for secret in SECRETS if secret in told]


async def test_a_fault_in_the_recording_does_not_reach_the_app(monkeypatch):
    def broken(self: object) -> Callable[[], None]:
        raise ValueError("a fault")

    monkeypatch.setattr(taps.StreamWrite, "records", broken)
    async with proxied(answering(OK)) as setup:
        got = await setup.ask(request("PUT", f"/v2/runs/{RUN}/stream/{STREAM}", body=b"x"))
    assert got.endswith(b"ok") and setup.records == []
