"""From a command line to a running dashboard: data directory, database, owner, world, server."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.datadir import DataDirError, ensure_secret_key, lock, migrate

if TYPE_CHECKING:
    from runs.models import World

UNUSABLE = 2  # exit status where the start is refused with a sentence


@dataclass(frozen=True, slots=True)
class Options:
    world: str | None
    host: str = "127.0.0.1"
    port: int = 8000
    data: str | None = None
    keep: str | None = None
    is_bundle: bool = False  # `world` is a bundle to be opened, not a directory to be watched


def start(options: Options, *beside: Callable[..., Any]) -> int:
    """Serve until stopped; returns the exit status. Refusals are one sentence on stderr."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        _apply(options)
        held = lock(settings.DATA)
        port = _free_port(options)
        held.describe(port=port, host=options.host)
        settings.SECRET_KEY = os.environ.get("TAILRACE_SECRET_KEY") or ensure_secret_key(settings.DATA)
        note = _migrate()
        return _serve(options, port, note, list(beside))
    except (DataDirError, ImproperlyConfigured) as error:
        print(f"tailrace: {error}", file=sys.stderr)  # noqa: T201
        return UNUSABLE


def is_loopback(host: str) -> bool:
    """`localhost`, 127.0.0.0/8 and ::1; every other name or address can be reached from elsewhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _apply(options: Options) -> None:
    """Settings that follow from options; the command line wins over the environment."""
    from django.conf import settings

    from dashboard.lib import env
    from dashboard.prune import parse_keep

    if options.keep is not None:
        settings.KEEP = options.keep
    parse_keep(settings.KEEP)
    settings.SIGN_IN = not is_loopback(options.host) or env.flag("TAILRACE_SIGN_IN")
    if settings.SIGN_IN and "TAILRACE_ALLOWED_HOSTS" not in os.environ:
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, *_own_names(options.host)]


def _own_names(host: str) -> list[str]:
    """What people may type to reach this machine when it listens on `host`."""
    if host not in {"0.0.0.0", "::"}:
        return [host]
    name = socket.gethostname()
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    except OSError:
        addresses = set()
    return [name, socket.getfqdn(), *sorted(addresses)]


def _free_port(options: Options) -> int:
    """The port asked for, or for 0 one that is free. Raises DataDirError if it is taken."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except (OSError, OverflowError) as error:
            reason = str(error).rstrip(".")
            raise DataDirError(
                f"cannot listen on {options.host}:{options.port}: {reason}. Give another --port."
            ) from None
        return int(probe.getsockname()[1])


def _migrate() -> str:
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections
    from django.db.migrations.loader import MigrationLoader

    known = set(MigrationLoader(None).disk_migrations)
    database = None if settings.DATABASE_URL else Path(settings.DATABASES["default"]["NAME"])

    def run() -> None:
        call_command("migrate", verbosity=0, interactive=False)

    note = migrate(database, known, run)
    connections.close_all()
    return note


def _serve(options: Options, port: int, note: str, beside: list[Callable[..., Any]]) -> int:
    from django.conf import settings

    from dashboard.embedded import serve
    from streams.ingest import release_all_claims

    _check()
    release_all_claims()
    world, lines = _opened_bundle(options) if options.is_bundle else _local_world(options)
    settings.SERVED_WORLD = world.pk
    for line in (note, *lines, *_owner_lines()):
        if line:
            _say(line)
    url = f"http://{'localhost' if options.host in {'0.0.0.0', '::'} else options.host}:{port}/"
    ended = serve(
        options.host, port, [world.pk], lambda: _say(f"Tailrace is at {url} (stop it with Ctrl-C)"), beside
    )
    if not ended:
        os._exit(3)  # a thread hangs in the kernel; what it was doing is in no transaction
    return 0


def _local_world(options: Options) -> tuple[World, list[str]]:
    """The world to watch, and lines that say what it is."""
    from dashboard.worlds import ensure_world, find_location

    location, found = find_location(options.world)
    world = ensure_world(location)
    return world, [found, *_about(world.location)]


def _opened_bundle(options: Options) -> tuple[World, list[str]]:
    """The world of a bundle, read. Raises DataDirError if it cannot be."""
    from dashboard.anomalies.scan import printable
    from dashboard.bundle.opened import about, open_bundle
    from runs.worlds.base import WorldError
    from runs.worlds.bundle import BundleWorld

    try:
        world = open_bundle(options.world or "")
        return world, [f"{options.world}: {about(BundleWorld(world.location).manifest())}"]
    except WorldError as error:
        raise DataDirError(printable(str(error))) from None


def _check() -> None:
    """Raises DataDirError for settings that cannot work together, with the hint."""
    from django.core.checks import ERROR, run_checks

    for message in run_checks():
        if message.level >= ERROR:
            raise DataDirError(f"{message.msg} {message.hint or ''} ({message.id})")
        _say(f"{message.msg} {message.hint or ''} ({message.id})")


def _about(location: str) -> list[str]:
    from runs.worlds.local import describe

    return [f"{location}: {describe(location)}"]


def _owner_lines() -> list[str]:
    from django.conf import settings

    from dashboard.account import OWNER, ensure_owner

    password = ensure_owner() if settings.SIGN_IN else None
    return [f"sign in as {OWNER} with the one-time password {password}"] if password else []


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
