from __future__ import annotations

import asyncio
import hashlib
import os

import pytest

from tests.dashboard.proxy.backend import Reader, Writer, answering, head, proxied, within

GET = b"GET /v2/runs HTTP/1.1\r\nHost: localhost\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_it_passes_a_large_body_both_ways_byte_for_byte():
    body = os.urandom(6_000_000)

    async def echo(reader: Reader, writer: Writer) -> None:
        await head(reader)
        got = await within(reader.readexactly(len(body)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(got) + got)
        await writer.drain()

    async with proxied(echo) as setup:
        reader, writer = await setup.connect()
        writer.write(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body)
        assert b"Content-Length: 6000000" in await head(reader)
        got = await within(reader.readexactly(len(body)))
        assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()
        writer.close()


async def test_a_chunked_body_stays_chunked_and_keeps_its_trailers():
    seen: list[bytes] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        seen.append(await head(reader))
        seen.append(await within(reader.readuntil(b"X-Sum: 1\r\n\r\n")))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        writer.write(b"3\r\nabc\r\n0\r\nX-Sum: 2\r\n\r\n")

    async with proxied(handle) as setup:
        reader, writer = await setup.connect()
        writer.write(
            b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n"
        )
        answer = await head(reader)
        assert b"Transfer-Encoding: chunked" in answer and b"Content-Length" not in answer
        assert await within(reader.readuntil(b"X-Sum: 2\r\n\r\n")) == b"3\r\nabc\r\n0\r\nX-Sum: 2\r\n\r\n"
        writer.close()
    assert b"Transfer-Encoding: chunked" in seen[0] and b"Content-Length" not in seen[0]
    assert seen[1] == b"2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n"


async def test_it_keeps_the_heads_as_they_are_and_names_the_backend_as_host():
    seen: list[bytes] = []
    answer = b"HTTP/1.1 201 Made It\r\nX-Two: 1\r\nx-TWO: 2\r\nContent-Length: 0\r\n\r\n"
    async with proxied(answering(answer, seen), path="/v1/workflow") as setup:
        got = await setup.ask(
            b"GET /v2/runs?a=%20b&c HTTP/1.1\r\nHOST: app\r\nX-Vercel-Environment: preview\r\n"
            b"Accept: a\r\nAccept: b\r\nAuthorization: Bearer abc\r\n"
            b"Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\r\n"
        )
        port = setup.backend_port
    assert seen[0].split(b"\r\n")[:6] == [
        b"GET /v1/workflow/v2/runs?a=%20b&c HTTP/1.1",
        b"Host: 127.0.0.1:%d" % port,
        b"X-Vercel-Environment: preview",
        b"Accept: a",
        b"Accept: b",
        b"Authorization: Bearer abc",
    ]
    assert b"X-Hop" not in seen[0] and b"Keep-Alive" not in seen[0] and b"TE: trailers" in seen[0]
    assert got.startswith(b"HTTP/1.1 201 Made It\r\nX-Two: 1\r\nx-TWO: 2\r\nContent-Length: 0\r\n")


async def test_a_live_answer_is_not_held_back():
    go_on = asyncio.Event()

    async def live(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await within(go_on.wait())
        writer.write(b"1\r\nb\r\n0\r\n\r\n")

    async with proxied(live) as setup:
        reader, writer = await setup.connect()
        writer.write(GET + b"\r\n")
        await head(reader)
        assert await within(reader.readexactly(6)) == b"1\r\na\r\n"
        go_on.set()
        assert await within(reader.readuntil(b"0\r\n\r\n")) == b"1\r\nb\r\n0\r\n\r\n"
        writer.close()


async def test_a_request_body_is_not_held_back_either():
    first = asyncio.Event()

    async def handle(reader: Reader, writer: Writer) -> None:
        await head(reader)
        assert await within(reader.readexactly(1)) == b"a"
        first.set()
        await within(reader.readexactly(1))
        writer.write(OK)

    async with proxied(handle) as setup:
        reader, writer = await setup.connect()
        writer.write(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
        await within(first.wait())
        writer.write(b"b")
        assert (await head(reader)).startswith(b"HTTP/1.1 200 OK")
        writer.close()


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 120\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"),
        (b"GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 9\r\n\r\n'),
    ],
)
async def test_an_answer_without_a_body_passes_as_it_is_and_the_next_one_follows(method, answer):
    async with proxied(answering(answer)) as setup:
        reader, writer = await setup.connect()
        for _ in range(2):
            writer.write(method + b" /x HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await head(reader) == answer
        writer.close()


async def test_a_client_that_waits_for_100_gets_it_from_the_backend():
    async def handle(reader: Reader, writer: Writer) -> None:
        assert b"Expect: 100-continue" in await head(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await within(reader.readexactly(2)) == b"hi"
        writer.write(OK)

    async with proxied(handle) as setup:
        reader, writer = await setup.connect()
        writer.write(b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await head(reader)).startswith(b"HTTP/1.1 100 Continue")
        writer.write(b"hi")
        assert (await head(reader)).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_a_refusal_instead_of_100_reaches_the_client_that_waits():
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"

    async def handle(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(refusal)
        await within(reader.read())

    async with proxied(handle) as setup:
        got = await setup.ask(
            b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        )
    assert got.startswith(b"HTTP/1.1 401 Unauthorized")


async def test_a_backend_that_dies_in_the_middle_of_an_answer_does_not_look_complete():
    async def die(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await writer.drain()

    async with proxied(die) as setup:
        reader, writer = await setup.connect()
        writer.write(b"PUT /v2/runs/wrun_1/stream/s HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        assert b"Content-Length: 10" in await head(reader)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await within(reader.readexactly(10))
        assert caught.value.partial == b"abc"
        writer.close()
        (write,) = setup.records
    assert write["ok"] is None and "took" not in write
    assert "the backend broke off" in write["error"]["message"] and write["error"]["status"] == 200


async def test_a_backend_that_cannot_be_reached_is_a_broken_connection_and_is_said():
    async with proxied(answering(OK), stopped=True) as setup:
        reader, writer = await setup.connect()
        writer.write(b"PUT /v2/runs/wrun_1/stream/s HTTP/1.1\r\nHost: a\r\nX-Stream-Done: true\r\n\r\n")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await within(reader.readexactly(1))
        writer.close()
    assert setup.records[0]["op"] == "close" and setup.records[0]["ok"] is None
    assert "cannot be reached" in setup.said[0]


async def test_a_client_that_hangs_up_ends_the_request_to_the_backend():
    gone = asyncio.Event()

    async def wait(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await within(reader.readexactly(1))
        gone.set()

    async with proxied(wait) as setup:
        reader, writer = await setup.connect()
        writer.write(GET + b"\r\n")
        await head(reader)
        writer.close()
        await within(gone.wait())


async def test_requests_of_one_connection_stay_on_one_connection_to_the_backend():
    connections: list[int] = []

    async def count(reader: Reader, writer: Writer) -> None:
        connections.append(1)
        await answering(OK)(reader, writer)

    async with proxied(count) as setup:
        reader, writer = await setup.connect()
        for _ in range(3):
            writer.write(GET + b"\r\n")
            await head(reader)
            assert await within(reader.readexactly(2)) == b"ok"
        writer.close()
    assert len(connections) == 1


async def test_pipelined_requests_are_answered_one_after_the_other():
    seen: list[bytes] = []
    async with proxied(answering(OK, seen)) as setup:
        got = await setup.ask(GET + b"\r\n" + GET + b"Connection: close\r\n\r\n")
    assert got.count(b"HTTP/1.1 200 OK") == 2 and len(seen) == 2


async def test_a_backend_that_closes_an_idle_connection_closes_the_clients_too():
    close = asyncio.Event()

    async def once(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(OK)
        await within(close.wait())

    async with proxied(once) as setup:
        reader, writer = await setup.connect()
        writer.write(GET + b"\r\n")
        await head(reader)
        assert await within(reader.readexactly(2)) == b"ok"
        close.set()
        assert await within(reader.read()) == b""
        writer.close()


async def test_a_backend_that_says_close_is_believed():
    async with proxied(
        answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    ) as setup:
        assert b"connection: close" in (await setup.ask(GET + b"\r\n")).lower()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"404"),
        (b"GET http://elsewhere/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
    ],
)
async def test_what_cannot_be_passed_on_never_reaches_the_backend(request_, status):
    seen: list[bytes] = []
    async with proxied(answering(OK, seen)) as setup:
        assert (await setup.ask(request_)).split()[1] == status
    assert seen == []


async def test_stopping_ends_what_is_under_way():
    async def wait(reader: Reader, writer: Writer) -> None:
        await head(reader)
        await within(reader.read())

    async with proxied(wait) as setup:
        reader, writer = await setup.connect()
        writer.write(b"PUT /v2/runs/wrun_1/stream/s HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        await asyncio.sleep(0.1)
    assert await within(reader.read()) == b""
    writer.close()
    assert setup.records[0]["ok"] is None
