"""The run that a stream of a Vercel project belongs to, where its name does not tell and nobody has read it here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from dashboard.lib.clock import NS_PER_MS, NS_PER_S
from dashboard.lib.ulid import ulid_ms
from runs.worlds import _vercel_records as records
from runs.worlds._local_look import usable_id
from runs.worlds._local_refs import owner_of
from runs.worlds._vercel_client import Broken, Client, Gone, TooLarge, path_of
from runs.worlds._vercel_records import Row
from runs.worlds._vercel_state import State
from runs.worlds.base import WorldError

MOST_ASKED = 20  # runs that are asked for their streams
AROUND_NS = 60 * NS_PER_S  # by so much may the clocks of app and server differ
_OWN_TIME = re.compile("strm_([0-9A-HJKMNP-TV-Z]{26})")


def run_of(stream: str, client: Client, state: State) -> str:
    """A stream that was passed as a value is named by its own time: one of the runs of that time has it.

    Raises as `Client.get`; WorldError where none has.
    """
    owner, is_proved = owner_of(stream)
    if not usable_id(stream):
        raise WorldError("no stream has such a name", permanent=True)
    if is_proved:
        return owner
    if stream not in state.owners:
        runs = [owner] if owner else []
        runs += islice((run_id for run_id in _runs_at(stream, client) if run_id != owner), MOST_ASKED)
        found = next((run_id for run_id in runs if _has(client, run_id, stream)), "")
        if not found:
            raise WorldError(
                f"which run stream {stream[:100]} belongs to is not known: none of the {len(runs)} runs"
                " that may have it lists it"
            )
        state.owners[stream] = found
    return state.owners[stream]


def _runs_at(stream: str, client: Client) -> Iterator[str]:
    """Newest first: those of the last ones that went on when the stream was made; all where that is not known."""
    match = _OWN_TIME.match(stream)
    made_ms = ulid_ms(match[1]) if match else None
    params = {"limit": "100", "sortOrder": "desc", "remoteRefBehavior": "lazy"}
    given, asked = 0, set[str]()
    while given < client.target.runs and params.get("cursor", "") not in asked:
        asked.add(params.get("cursor", ""))
        page = client.value("/v2/runs", params)
        rows = records.rows_in(page)
        for row in rows:
            if records.id_in(row, "runId") and _goes_on_at(row, made_ms):
                yield row["runId"]
        given += len(rows)
        if not rows or not records.has_more(page):
            return
        params["cursor"] = records.cursor_in(page)


def _goes_on_at(row: Row, made_ms: int | None) -> bool:
    begun, ended = records.time_in(row, "createdAt"), records.time_in(row, "completedAt")
    if made_ms is None:
        return True
    made_ns = made_ms * NS_PER_MS
    return (begun or 0) - AROUND_NS <= made_ns and (ended is None or made_ns <= ended + AROUND_NS)


def _has(client: Client, run_id: str, stream: str) -> bool:
    try:
        listed = client.value(path_of("v2", "runs", run_id, "streams"))
    except (Gone, Broken, TooLarge):
        return False
    return stream in set(records.names_in(listed))
