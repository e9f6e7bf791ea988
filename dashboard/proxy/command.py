"""`tailrace proxy`: the command line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import signal
import socket
import time
from collections.abc import Callable
from typing import NoReturn, TextIO

from dashboard.proxy.outbox import Outbox, Record
from dashboard.proxy.sender import Destination, Sender
from dashboard.proxy.server import Proxy
from dashboard.proxy.upstream import BadAddress, Upstream, is_loopback, read_listen, read_upstream
from dashboard.proxy.watch import Watch

OK, FAILED, USAGE = 0, 1, 64
LISTEN, TO = "127.0.0.1:8010", "http://127.0.0.1:8000"
DESCRIPTION = "Passes an app's requests on to a Vercel backend and reports its stream writes to Tailrace."
EPILOG = "For development and staging: while the proxy is away, the app has no backend. See docs/proxy.md."


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadAddress(message)


def proxy_main(argv: list[str], stdout: TextIO, stderr: TextIO) -> int:
    """Runs the command with the arguments after `proxy` until it is interrupted; returns the exit status."""
    parser = _parser()
    try:
        options = parser.parse_args(argv)
        if options.help:
            stdout.write(parser.format_help())
            return OK
        listen, upstream, to = _addresses(options)
    except BadAddress as error:
        stderr.write(f"{parser.format_usage()}tailrace proxy: {error}\n")
        return USAGE

    def say(text: str) -> None:
        stderr.write(f"tailrace proxy: {text}\n")
        stderr.flush()

    return asyncio.run(_serve(listen, upstream, to, stdout, say))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="tailrace proxy", description=DESCRIPTION, epilog=EPILOG, add_help=False)
    parser.add_argument("--upstream", metavar="URL", help="the backend, such as https://vercel-workflow.com")
    parser.add_argument("--listen", metavar="ADDRESS:PORT", default=LISTEN, help=f"default {LISTEN}")
    parser.add_argument("--to", metavar="URL", default=TO, help=f"where Tailrace is, default {TO}")
    parser.add_argument(
        "--token", default="", help="of the Connect page; else TAILRACE_TOKEN, or none on loopback"
    )
    parser.add_argument("--world", metavar="NAME", default="", help="without a token: the world to report to")
    parser.add_argument("--allow-remote", action="store_true", help="listen where other machines can connect")
    parser.add_argument("--help", action="store_true", help="shows this")
    return parser


def _addresses(options: argparse.Namespace) -> tuple[tuple[str, int], Upstream, Destination]:
    if not options.upstream:
        raise BadAddress("where is the backend? (--upstream https://vercel-workflow.com)")
    upstream, listen, to = (
        read_upstream(options.upstream),
        read_listen(options.listen),
        read_upstream(options.to),
    )
    if not is_loopback(listen[0]) and not options.allow_remote:
        raise BadAddress(
            f"{listen[0]} can be reached by other machines, whose requests and tokens would pass here unencrypted:"
            " listen on 127.0.0.1, or say --allow-remote"
        )
    if is_loopback(upstream.host) and upstream.port == listen[1] and not upstream.tls:
        raise BadAddress(
            f"{options.listen} is the backend's own address: every request would come back to the proxy"
        )
    token = options.token or os.environ.get("TAILRACE_TOKEN", "")
    return listen, upstream, Destination(to.url, token, options.world)


async def _serve(
    listen: tuple[str, int], upstream: Upstream, to: Destination, stdout: TextIO, say: Callable[[str], None]
) -> int:
    outbox = Outbox()
    sender = Sender(to, _process(), _app(upstream), outbox, say)

    def report(record: Record) -> None:
        sender.app["sdk"] = watch.sdk
        outbox.add(record)

    watch = Watch(report)
    proxy = Proxy(upstream, watch, Seldom(say))
    try:
        port = await proxy.start(*listen)
    except OSError as error:
        say(f"cannot listen on {listen[0]}:{listen[1]}: {error.strerror or error}")
        return FAILED
    _greet(stdout, listen[0], port, upstream, to)
    _warn(upstream, to, say)
    sender.start()
    await _interrupted()
    await proxy.stop()
    await sender.end()
    return OK


def _greet(stdout: TextIO, host: str, port: int, upstream: Upstream, to: Destination) -> None:
    own = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    stdout.write(f"{own} -> {upstream.url}, reports to {to.url}\n")
    stdout.write(f"In the app: VERCEL_WORKFLOW_SERVER_URL={own} (docs/proxy.md has the other ways)\n")
    stdout.flush()


def _warn(upstream: Upstream, to: Destination, say: Callable[[str], None]) -> None:
    if not upstream.tls and not is_loopback(upstream.host):
        say(f"{upstream.url} is not https: the app's tokens travel unencrypted.")
    if to.token and to.url.startswith("http://") and not is_loopback(read_upstream(to.url).host):
        say(f"{to.url} is not https: Tailrace's token travels unencrypted.")


async def _interrupted() -> None:
    asked = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(name, asked.set)
    await asked.wait()


def _process() -> str:
    return f"proxy-{int(time.time() * 1000):x}-{os.getpid()}-{os.urandom(5).hex()}"


def _app(upstream: Upstream) -> Record:
    runtime = f"python {platform.python_version()}"
    app: Record = {"probe": "1", "language": "proxy", "runtime": runtime, "sdk": "", "pid": os.getpid()}
    return app | {"host": socket.gethostname(), "world": "vercel", "location": upstream.url, "exact": False}


class Seldom:
    """Says the same thing at most once in a while: an app that retries would fill the terminal."""

    EVERY = 10.0

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last, self._at = "", 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if text != self._last or now - self._at > self.EVERY:
            self._last, self._at = text, now
            self._say(text)
