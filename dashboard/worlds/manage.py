"""What people do with worlds: add, pause, resume, rename, move, give a secret, archive, remove.

Each is one short transaction; `dashboard.worlds.watch` sees it within a second, in whichever process it runs, and
starts or stops the watcher. Nothing is read here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.db import IntegrityError
from django.db.models import QuerySet

from dashboard.lib import doorbell, sealing
from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean, write_transaction
from dashboard.lib.redacted import without_credentials, without_password
from dashboard.worlds import watch
from dashboard.worlds.known import free_slug, stored_at
from runs.managed import CURRENT, standing
from runs.models import ProbeToken, World
from runs.secrets import keep_secret
from runs.worlds.base import WORLDS, Place, WorldError, place_of, supplies_of

NAME_CHARS = 200


class Refused(Exception):
    """It cannot be done; the message says why, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Given:
    """A world as a person named it, and its secret, wherever that stood."""

    kind: str
    place: Place

    @property
    def label(self) -> str:
        return WORLDS.found[self.kind].label


def taken_apart(given: str, secret: str = "") -> Given:
    """What a person typed. A secret of its own wins over one in the address. Raises Refused."""
    if not given.strip() or "\0" in given:
        raise Refused("Type where the world is: a directory, or an address such as postgres://host/database.")
    try:
        kind, place = place_of(given.strip())
    except (WorldError, ValueError) as error:
        raise Refused(without_credentials(str(error))) from None
    has_secret = bool(WORLDS.found[kind].secret_label)
    return Given(kind, replace(place, secret=(secret or place.secret) if has_secret else ""))


def add(given: Given, name: str = "") -> tuple[World, bool]:
    """The row of the world, and whether it is new. A known one keeps its name. Raises Refused: nothing was stored."""
    if given.place.secret and not sealing.is_ready():
        raise Refused(f"The secret cannot be kept: {sealing.VARIABLE} is not set. Nothing was stored.")
    world, is_new = stored_at(given.kind, given.place, name)
    _keep(world, given.place.secret)
    _tell(world)
    return world, is_new


def pause(world: World) -> None:
    """Nothing is read of it until it is resumed; what is being read ends after its batch."""
    _must_be(world, "followed", "paused")
    if "chunks" not in supplies_of(world.kind):
        raise Refused("Nothing is read of this world; its app pushes. To stop it, revoke its tokens.")
    _update(World.objects.filter(pk=world.pk, paused_ns=None), paused_ns=now_ns())
    _tell(world)


def resume(world: World) -> None:
    """All of it is looked at again, so nothing of what happened meanwhile is missed."""
    _must_be(world, "followed", "paused")
    _update(World.objects.filter(CURRENT, pk=world.pk), paused_ns=None, trouble="", trouble_since_ns=None)
    _tell(world)


def rename(world: World, name: str) -> None:
    """Its address in the dashboard stays, so that links do. Raises Refused."""
    _must_be(world, "followed", "paused", "archived")
    title = clean(name.strip(), NAME_CHARS)
    if not title:
        raise Refused("A world needs a name.")
    _update(World.objects.filter(pk=world.pk), name=title)
    _tell(world)


def give_secret(world: World, secret: str) -> None:
    """In place of the one before; an empty one forgets it. Raises Refused."""
    _must_be(world, "followed", "paused")
    if world.kind in WORLDS.found and not WORLDS.found[world.kind].secret_label:
        raise Refused(f"Reading a {WORLDS.found[world.kind].label} needs no secret.")
    _keep(world, secret, is_forgotten=not secret)
    _tell(world)


def move(world: World, given: Given) -> None:
    """The same world at another place: what was read stays, and reading goes on there. Raises Refused."""
    _must_be(world, "followed", "paused")
    if given.kind != world.kind:
        label = WORLDS.found[world.kind].label if world.kind in WORLDS.found else world.kind
        raise Refused(f"This is a {label}, the new place is a {given.label}: add it as a world of its own.")
    location = clean(given.place.location, 4000)
    try:
        _update(World.objects.filter(pk=world.pk), location=location, trouble="", trouble_since_ns=None)
    except IntegrityError:
        raise Refused("Another world that is known here has that place already.") from None
    _keep(world, given.place.secret)
    _tell(world)


def archive(world: World) -> None:
    """Keep what was read, follow it no longer, forget its secret. Its place may be added as a new world. For good."""
    _must_be(world, "followed", "paused")
    _end(world, archived_ns=now_ns())


def remove(world: World) -> None:
    """Have all of it deleted in the background (`dashboard.worlds.remove`), which a restart does not stop. For good."""
    _must_be(world, "followed", "paused", "archived")
    _end(world, removing_ns=now_ns(), slug=free_slug(f"removed-{world.pk}"), facts=[])


def shown_place(world: World) -> str:
    """A stored place holds no secret; whatever got there before that was so is still not shown."""
    return without_password(world.location)


def _end(world: World, **values: object) -> None:
    """What both ends share: nothing is read or pushed any more, and no secret outlives it."""
    values |= {"paused_ns": now_ns(), "sealed": None, "trouble": "", "trouble_since_ns": None}
    with write_transaction():
        World.objects.filter(pk=world.pk).update(**values)
        ProbeToken.objects.filter(world=world, revoked_ns=None).update(revoked_ns=now_ns())
    _tell(world)


def _must_be(world: World, *wanted: str) -> None:
    world.refresh_from_db(fields=["paused_ns", "archived_ns", "removing_ns"])
    now = standing(world)
    if now not in wanted:
        said = "is being removed" if now == "removed" else f"is {now}"
        raise Refused(f"This world {said}: that cannot be done with it.")


def _keep(world: World, secret: str, *, is_forgotten: bool = False) -> None:
    if not secret and not is_forgotten:
        return
    try:
        keep_secret(world, secret)
    except sealing.SealError as error:
        raise Refused(f"The secret cannot be kept: {error}.") from None


def _update(rows: QuerySet[World], **values: object) -> None:
    with write_transaction():
        rows.update(**values)


def _tell(world: World) -> None:
    watch.look_now()
    doorbell.ring(doorbell.world_group(world.pk), {"type": "world.changed"})
