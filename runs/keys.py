"""Keys of encrypted values, per world and only where a person switched them on; and who was shown what.

The deployment key is sealed at rest and never shown again: a page knows it by its fingerprint.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean, write_transaction
from dashboard.lib.sealing import SealError, open_sealed, seal
from runs.models import Decryption, Run, World, WorldKey
from runs.payloads import RunKey, run_key
from runs.queries import Key
from runs.secrets import adapter_of
from runs.worlds.base import WORLDS, WorldError
from runs.worlds.base import World as Adapter

SAME_VIEW_NS = 60 * NS_PER_S  # a value that the same person opens again this soon is no new row
DECRYPTIONS_PAGE = 50
LOCAL = "local"  # who looks where nobody signs in
_log = logging.getLogger("tailrace.keys")


@dataclass(frozen=True, slots=True)
class DecryptionList:
    rows: list[Decryption]
    older: Key | None  # where the next page begins; None at the end


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens encrypted values of one run for one page, and writes down each that was opened."""

    request: HttpRequest
    run: Run | None
    key: RunKey | None

    @contextmanager
    def noting(self, what: str) -> Iterator[RunKey | None]:
        """The key for reading one value; a row in the audit log if anything in it was opened.

        Where the row cannot be written the page fails, and nothing is shown.
        """
        before = self.key.opened if self.key is not None else 0
        yield self.key
        if self.run is not None and self.key is not None and self.key.opened > before:
            note_decryption(self.request, self.run, what)


def opener_for(request: HttpRequest, run: Run | None) -> Opener:
    return Opener(request, run, key_for(run))


def key_of_world(world: World) -> WorldKey | None:
    return WorldKey.objects.filter(world=world).first()


def key_for(run: Run | None) -> RunKey | None:
    """The key of a run's values, for pages through an `Opener`.

    None: the run is unknown, decryption is not switched on, there is no key, or it cannot be used.
    """
    kept = WorldKey.objects.filter(world=run.world_id, is_on=True).first() if run else None
    if run is None or kept is None:
        return None
    try:
        key = _derived(kept, run) if kept.sealed is not None else _from_adapter(run)
    except (SealError, WorldError) as error:
        _log.warning("no key for run %s: %s", run.run_id, error)
        return None
    return RunKey(key) if key is not None else None


def trouble_with(kept: WorldKey) -> str:
    """Why the stored key cannot be used; empty while it can."""
    try:
        if kept.sealed is not None:
            open_sealed(bytes(kept.sealed), _purpose(kept.world_id))
    except SealError as error:
        return str(error)
    return ""


def keep_key(world: World, deployment_key: bytes, project_id: str) -> None:
    """Seals and stores it, in place of the one before. It does not switch it on. Raises SealError."""
    fields = {
        "sealed": seal(deployment_key, _purpose(world.pk)),
        "fingerprint": hashlib.sha256(deployment_key).hexdigest()[:8],
        "project_id": project_id,
        "created_ns": now_ns(),
    }
    with write_transaction():
        WorldKey.objects.update_or_create(world=world, defaults=fields)


def switch(world: World, *, is_on: bool) -> None:
    with write_transaction():
        WorldKey.objects.update_or_create(
            world=world, defaults={"is_on": is_on}, create_defaults={"is_on": is_on, "created_ns": now_ns()}
        )


def remove_key(world: World) -> None:
    """Forgets the key and switches off. The audit log stays."""
    with write_transaction():
        WorldKey.objects.filter(world=world).delete()


def has_own_keys(world: World) -> bool:
    """Whether the world's adapter can hand out keys of runs."""
    adapter = WORLDS.found.get(world.kind)
    return adapter is not None and adapter.run_key is not Adapter.run_key


def note_decryption(request: HttpRequest, run: Run, what: str) -> None:
    """One row for each value and page view."""
    now = now_ns()
    row = Decryption(
        world_id=run.world_id,
        run_id=run.run_id,
        what=clean(what, 300),
        who=_who(request),
        at_ns=now,
        address=clean(request.META.get("REMOTE_ADDR") or "", 100),
    )
    same = Decryption.objects.filter(
        world_id=run.world_id, run_id=run.run_id, what=row.what, who=row.who, address=row.address
    )
    with write_transaction():
        if not same.filter(at_ns__gt=now - SAME_VIEW_NS).exists():
            row.save()


def decryptions(world_id: int, older: Key | None = None) -> DecryptionList:
    """A page of the audit log, newest first."""
    rows = Decryption.objects.filter(world_id=world_id)
    if older is not None:
        rows = rows.filter(older.below("at_ns"))
    found = list(rows.order_by("-at_ns", "-id")[: DECRYPTIONS_PAGE + 1])
    last = found[DECRYPTIONS_PAGE - 1] if len(found) > DECRYPTIONS_PAGE else None
    return DecryptionList(found[:DECRYPTIONS_PAGE], Key(last.at_ns, last.pk) if last else None)


def _derived(kept: WorldKey, run: Run) -> bytes:
    deployment_key = open_sealed(bytes(kept.sealed or b""), _purpose(kept.world_id))
    return run_key(deployment_key, kept.project_id, run.run_id)


def _from_adapter(run: Run) -> bytes | None:
    with closing(adapter_of(run.world)) as adapter:
        return adapter.run_key(run.run_id)


def _purpose(world_id: int) -> str:
    return f"deployment key of world {world_id}"


def _who(request: HttpRequest) -> str:
    return request.user.get_username() if settings.SIGN_IN and request.user.is_authenticated else LOCAL
