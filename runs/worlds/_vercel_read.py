"""Reading a Vercel project: its list of runs, then each run that has news, and a word about each that will not do."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from runs.observations import Observation, ReadableAgain, Unreadable
from runs.worlds import _vercel_records as records
from runs.worlds._local_read import batches
from runs.worlds._vercel_client import Broken, Gone, TooLarge, path_of
from runs.worlds._vercel_records import Row
from runs.worlds._vercel_run import Look, RunReading
from runs.worlds.base import TERMINAL, WorldError

PAGE = 100  # runs in a page
FAILURES = 3  # answers of 5xx in a row, each about something else: then it is the server, not the run
ALIVE = (
    "pending",
    "running",
)  # in the order in which a run goes through them: none slips through between two lists
FRESH_S = 15.0  # between two looks for runs that have begun while others are read, at the least
FRESH_REQUESTS = 800.0  # seconds of it times the budget a minute: such looks take a small part of that
RUNS = "runs"  # the hint for the list of runs


@dataclass(slots=True)
class Reading(Look):
    """What a look is to find. `failures`: answers of 5xx in a row."""

    failures: int = 0

    # --- which runs ---------------------------------------------------------------------------------
    def everything(self) -> Iterator[list[Observation]]:
        """All runs that have not ended, and of the newest those that are not recorded whole."""
        rows = {row["runId"]: row for status in ALIVE for row in self._rows(status)}
        rows |= {row["runId"]: row for row in self._rows("")}  # asked for last, so these are newer
        rows |= {row["runId"]: row for row in self._unlisted(rows.keys())}
        news = [row for row in rows.values() if self._is_news(row)]
        self.state.running = {row["runId"] for row in news if row.get("status") not in TERMINAL}
        for run_id in {run for run, _ in self.state.streams_to_hear()} - self.state.running:
            self.state.over(run_id)
        yield from self._each(news)

    def hinted(self, hints: frozenset[str]) -> Iterator[list[Observation]]:
        """`runs`: those of the first page that have news. `stream:<id>/<name>`: one that a watcher heard."""
        news = [row for row in self._first_page() if self._is_news(row)] if RUNS in hints else []
        yield from self._each(news)
        yield from self._heard(hints, {row["runId"] for row in news})

    def _heard(self, hints: frozenset[str], known: set[str]) -> Iterator[list[Observation]]:
        for hint in sorted(hints):
            kind, _, about = hint.partition(":")
            run_id, _, name = about.partition("/")
            if kind == "stream" and run_id not in known:
                yield from self._grown(run_id, name)

    def _each(self, news: list[Row]) -> Iterator[list[Observation]]:
        """What goes on comes first: it is watched, the rest can wait.

        All of it can take many minutes of the budget: what is heard meanwhile, and runs that begin, go before.
        """
        queue = deque(sorted(news, key=lambda row: row.get("status") in TERMINAL))
        known, looked = {row["runId"] for row in queue}, time.monotonic()
        while queue:
            self.state.backlog = len(queue)
            yield from self._heard(self.state.take_urgent(), set())
            if time.monotonic() - looked >= max(FRESH_S, FRESH_REQUESTS / self.client.pacer.budget):
                begun = [
                    row for row in self._first_page() if row["runId"] not in known and self._is_news(row)
                ]
                known |= {row["runId"] for row in begun}
                queue.extendleft(reversed(begun))
                looked = time.monotonic()
            yield from self.run(queue.popleft())
        self.state.backlog = 0

    def _unlisted(self, listed: Collection[str]) -> Iterator[Row]:
        """Runs that went on when they were recorded and are in no list now: they ended behind the newest."""
        open_ = {
            key[1] for key, version in self.seen.rows.items() if key[0] == "run" and records.is_open(version)
        }
        for run_id in sorted(open_ - set(listed) - self.seen.pruned_runs - self.state.gone):
            try:
                row = self.client.value(path_of("v2", "runs", run_id), {"remoteRefBehavior": "resolve"})
            except Gone:
                self.state.gone.add(run_id)
            except (Broken, TooLarge):
                continue  # it is asked for again with the next look
            else:
                yield from [row] if isinstance(row, dict) and row.get("runId") == run_id else []

    def _is_news(self, row: Row) -> bool:
        run_id = row["runId"]
        if run_id in self.seen.pruned_runs:
            return False
        is_over = row.get("status") in TERMINAL
        return not is_over or self.seen.rows.get(("run", run_id)) != records.version_ns(row)

    def _rows(self, status: str) -> Iterator[Row]:
        """Newest first; those that have not ended all of them, else as many as the location says."""
        cursor, given, asked = "", 0, set[str]()
        while cursor not in asked and (status or given < self.client.target.runs):
            asked.add(cursor)
            rows, page = self._page(status, cursor)
            if status and any(row.get("status") != status for row in rows):
                return  # a server that does not tell them apart: the newest have to do
            yield from rows if status else rows[: self.client.target.runs - given]
            given += len(rows)
            cursor = records.cursor_in(page)
            if not records.has_more(page) or not rows:
                return

    def _first_page(self) -> list[Row]:
        return self._page("", "")[0]

    def _page(self, status: str, cursor: str) -> tuple[list[Row], object]:
        """The runs of a page, and all of it."""
        params = {"limit": str(PAGE), "sortOrder": "desc"}
        params |= {"status": status} if status else {}
        params |= {"cursor": cursor} if cursor else {}
        try:
            page = self._list(params)
            return [row for row in records.rows_in(page) if records.id_in(row, "runId")], page
        except Gone:
            target = self.client.target
            raise WorldError(
                f"{self.client.host} knows no project {target.project} of team {target.team}"
                f" with runs in {target.environment} (404)",
                permanent=True,
            ) from None
        except Broken as error:
            raise self.client.pacer.failed(f"the list of runs cannot be read: {error}") from None
        except TooLarge:
            raise WorldError("the list of runs is too large to be read") from None

    def _list(self, params: dict[str, str]) -> object:
        """With payloads, unless a hundred of them are too much at once: then each is fetched where it is needed."""
        try:
            return self.client.value("/v2/runs", params | {"remoteRefBehavior": "resolve"})
        except TooLarge:
            return self.client.value("/v2/runs", params | {"remoteRefBehavior": "lazy"})

    # --- one run ------------------------------------------------------------------------------------
    def run(self, row: Row) -> Iterator[list[Observation]]:
        """All of it that is not recorded."""
        one = RunReading(self, row)
        where = f"runs/{one.run_id}"
        yield from batches(self._attempt(where, one.observations()))
        one.recorded()
        if one.is_over:
            self.state.over(one.run_id)
            return
        self.state.alive(one.run_id)
        if one.ended_ns is not None:  # while it was read; what was read is recorded by now
            yield from self._ended(one.run_id)

    def _grown(self, run_id: str, name: str) -> Iterator[list[Observation]]:
        """A stream that a watcher heard: its new chunks, and what has happened in its run since."""
        one = RunReading(self, {"runId": run_id})
        yield from batches(one.news_of(name))
        one.recorded()
        if one.ended_ns is not None:
            yield from self._ended(run_id)

    def _ended(self, run_id: str) -> Iterator[list[Observation]]:
        yield from batches(self._attempt(f"runs/{run_id}", self._over(run_id)))
        if run_id not in self.state.running:
            self.forget(run_id)

    def _over(self, run_id: str) -> Iterator[Observation]:
        """A run that has ended, from its beginning."""
        row = self.client.value(path_of("v2", "runs", run_id), {"remoteRefBehavior": "resolve"})
        if isinstance(row, dict) and row.get("runId") == run_id:
            one = RunReading(self, row)
            yield from one.observations()
            if one.is_over:
                self.state.over(run_id)

    def _attempt(self, where: str, found: Iterator[Observation]) -> Iterator[Observation]:
        """What reading this gives, or what is to be said of it instead. Raises WorldError."""
        try:
            yield from found
        except Gone as error:
            if not error.is_expired:
                yield from self._bad(where, f"the server no longer has it ({error.status})")
        except (Broken, TooLarge) as error:
            self.failures += getattr(error, "status", 0) >= 500
            if self.failures >= FAILURES:
                raise self.client.pacer.failed(str(error)) from None
            yield from self._bad(where, str(error))
        else:
            self.failures = 0
            if where in self.seen.unreadable:
                yield ReadableAgain(where)

    def _bad(self, where: str, reason: str) -> Iterator[Observation]:
        if where not in self.seen.unreadable:
            yield Unreadable(where, reason)
