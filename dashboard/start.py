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
_SEEN = (
    "a password stood on the command line, where other users of this machine see it; it is stored now, sealed:"
    " the next time the address is enough without it"
)


@dataclass(frozen=True, slots=True)
class Options:
    worlds: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    data: str | None = None
    keep: str | None = None
    is_bundle: bool = False  # the one of `worlds` is a bundle to be opened, not a world to be watched


def start(options: Options, *beside: Callable[..., Any]) -> int:
    """Serve until stopped; returns the exit status. Refusals are one sentence on stderr."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        _apply(options)
        held = lock(settings.DATA)
        port = _free_port(options)
        held.describe(port=port, host=options.host)
        settings.BASE_URL = settings.BASE_URL or _own_address(options.host, port)
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


def _own_address(host: str, port: int) -> str:
    """What links in messages begin with where nobody has said; another machine may know this one by any name."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}" if is_loopback(host) else ""


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

    from dashboard.alerts.work import release_all
    from dashboard.embedded import serve
    from streams.ingest import release_all_claims

    _check()
    release_all_claims()
    release_all()
    served, lines = _opened_bundle(options) if options.is_bundle else _worlds(options)
    settings.SERVED_WORLD = served.pk if served is not None else None
    for line in (note, *lines, *_owner_lines()):
        if line:
            _say(line)
    url = f"http://{'localhost' if options.host in {'0.0.0.0', '::'} else options.host}:{port}/"
    ended = serve(
        options.host, port, _count(), lambda: _say(f"Tailrace is at {url} (stop it with Ctrl-C)"), beside
    )
    if not ended:
        os._exit(3)  # a thread hangs in the kernel; what it was doing is in no transaction
    return 0


def _worlds(options: Options) -> tuple[World | None, list[str]]:
    """The first world that is named, which a probe on loopback means, and lines that say what is watched.

    Raises DataDirError for one that nothing here reads, or whose secret cannot be kept.
    """
    from dashboard.worlds.find import find_locations
    from dashboard.worlds.known import served_world
    from dashboard.worlds.manage import Refused, add, taken_apart

    locations, found = find_locations(options.worlds)
    try:
        given = [taken_apart(one) for one in locations]
        worlds = [add(one)[0] for one in given]
    except Refused as error:
        raise DataDirError(_printable(str(error))) from None
    is_seen = bool(options.worlds) and any(one.place.secret for one in given)
    lines = [found, *(_about(world) for world in worlds), *_also(worlds), _SEEN if is_seen else ""]
    return (worlds[0] if worlds else served_world()), [_printable(line) for line in lines]


def _also(named: list[World]) -> list[str]:
    """The other worlds that are followed, since they were before."""
    from runs.models import World

    others = World.objects.exclude(pk__in=[one.pk for one in named]).filter(paused_ns=None).order_by("pk")
    names = [world.name for world in others[:6]]
    more = f" and {others.count() - 5} more" if len(names) > 5 else ""
    return [f"also following {', '.join(names[:5])}{more}"] if names else []


def _count() -> int:
    from runs.models import World

    return World.objects.filter(paused_ns=None).count()


def _printable(line: str) -> str:
    from dashboard.anomalies.scan import printable

    return printable(line)


def _opened_bundle(options: Options) -> tuple[World | None, list[str]]:
    """The world of a bundle, read. Raises DataDirError if it cannot be."""
    from dashboard.bundle.opened import about, open_bundle
    from runs.worlds.base import WorldError
    from runs.worlds.bundle import BundleWorld

    try:
        world = open_bundle(*options.worlds)
        return world, [f"{options.worlds[0]}: {about(BundleWorld(world.location).manifest())}"]
    except WorldError as error:
        raise DataDirError(_printable(str(error))) from None


def _check() -> None:
    """Raises DataDirError for settings that cannot work together, with the hint."""
    from django.core.checks import ERROR, run_checks

    for message in run_checks():
        if message.level >= ERROR:
            raise DataDirError(f"{message.msg} {message.hint or ''} ({message.id})")
        _say(f"{message.msg} {message.hint or ''} ({message.id})")


def _about(world: World) -> str:
    from dashboard.worlds.manage import shown_place
    from runs.worlds.local import describe

    if world.paused_ns is not None:
        return f"{shown_place(world)}: paused; `tailrace worlds resume {world.slug}` goes on"
    told = describe(world.location) if world.kind == "local" else "a " + _label(world.kind)
    return f"{shown_place(world)}: {told}"


def _label(kind: str) -> str:
    from runs.worlds.base import WORLDS

    return WORLDS.found[kind].label


def _owner_lines() -> list[str]:
    from django.conf import settings

    from dashboard.account import OWNER, ensure_owner

    password = ensure_owner() if settings.SIGN_IN else None
    return [f"sign in as {OWNER} with the one-time password {password}"] if password else []


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
