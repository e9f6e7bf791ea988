"""A run's events, by whichever version of the API the server answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runs.worlds._vercel_cbor import Garbled
from runs.worlds._vercel_client import Answer, Broken, Client, Gone, TooLarge, path_of
from runs.worlds._vercel_frames import FRAMES, EventPage, event_of, frames_in, page_of
from runs.worlds._vercel_records import cursor_in, has_more, id_in, rows_in
from runs.worlds._vercel_state import State

LIMIT = 1_000  # events in a page
EVENTS_AS = {"v4": FRAMES, "v3": "", "v2": ""}  # API versions of a run's events, newest first: what to accept
_UNKNOWN = frozenset({400, 404, 405, 406, 415, 501})  # how a server answers what it does not have


def page_after(client: Client, state: State, run_id: str, cursor: str) -> EventPage:
    """The next events of a run. The first time, the newest version of the API that works is found.

    Raises as `Client.get`.
    """
    if state.api:
        return _page(client, state.api, run_id, cursor)
    refused: Exception | None = None
    for api in EVENTS_AS:
        try:
            page = _page(client, api, run_id, cursor)
        except Gone as error:
            refused = refused or error
        except Broken as error:
            if error.status not in _UNKNOWN:
                raise
            refused = error
        else:
            state.api = api
            return page
    assert refused is not None
    raise refused


def _page(client: Client, api: str, run_id: str, cursor: str) -> EventPage:
    """A page that is too large is asked for in smaller pieces; one event that is, without its payload."""
    path, limit, behaviour = path_of(api, "runs", run_id, "events"), LIMIT, "resolve"
    while True:
        params = {"limit": str(limit), "sortOrder": "asc", "remoteRefBehavior": behaviour}
        params |= {"cursor": cursor} if cursor else {}
        try:
            return _read(client.get(path, params, EVENTS_AS[api]), api)
        except TooLarge:
            if limit == 1 and behaviour == "lazy":
                raise Broken("one event is too large to be read") from None
            limit, behaviour = (limit // 10, behaviour) if limit > 1 else (1, "lazy")


def _read(answer: Answer, api: str) -> EventPage:
    if api == "v4":
        try:
            page = page_of(answer.body)
        except Garbled as error:
            raise answer.garbled(error) from None
        last = id_in(page.events[-1], "eventId") if page.events else ""
        # The server may leave out where to go on; it takes the last event's id for that.
        return page if page.cursor or not last else replace(page, cursor=f"eid:{last}")
    value = answer.value()
    return EventPage(rows_in(value), cursor_in(value), has_more(value))


def one_event(client: Client, state: State, run_id: str, event_id: str) -> dict[str, Any]:
    """One event with its payload. Raises as `Client.get`."""
    api = state.api or "v4"
    params = {"remoteRefBehavior": "resolve"}
    answer = client.get(path_of(api, "runs", run_id, "events", event_id), params, EVENTS_AS[api])
    if api != "v4":
        value = answer.value()
        return value if isinstance(value, dict) else {}
    try:
        return next((event_of(meta, body) for meta, body in frames_in(answer.body)), {})
    except Garbled as error:
        raise answer.garbled(error) from None
