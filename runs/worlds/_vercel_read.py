"""Reading a Vercel project: its list of runs, then each run that has news, and a word about each that will not do."""

from __future__ import annotations

from collections.abc import Iterator
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
ALIVE = ("running", "pending")
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
        news = [row for row in rows.values() if self._is_news(row)]
        self.state.running = {row["runId"] for row in news if row.get("status") not in TERMINAL}
        for run_id in {run for run, _ in self.state.streams_to_hear()} - self.state.running:
            self.state.over(run_id)
        # What goes on comes first: it is watched, the rest can wait.
        news.sort(key=lambda row: row.get("status") in TERMINAL)
        for left, row in zip(range(len(news), 0, -1), news, strict=True):
            self.state.backlog = left
            yield from self.hinted(self.state.take_urgent())
            yield from self.run(row)
        self.state.backlog = 0

    def hinted(self, hints: frozenset[str]) -> Iterator[list[Observation]]:
        """`runs`: those of the first page that have news. `stream:<id>/<name>`: one that a watcher heard."""
        known: set[str] = set()
        if RUNS in hints:
            for row in self._first_page():
                known.add(row["runId"])
                if self._is_news(row):
                    yield from self.run(row)
        for hint in sorted(hints):
            kind, _, about = hint.partition(":")
            run_id, _, name = about.partition("/")
            if kind == "stream" and run_id not in known:
                yield from self._grown(run_id, name)

    def _is_news(self, row: Row) -> bool:
        run_id = row["runId"]
        if run_id in self.seen.pruned_runs:
            return False
        is_over = row.get("status") in TERMINAL
        return not is_over or self.seen.rows.get(("run", run_id)) != records.version_ns(row)

    def _rows(self, status: str) -> Iterator[Row]:
        """Newest first; those that have not ended all of them, else as many as the location says."""
        cursor, given = "", 0
        while status or given < self.client.target.runs:
            page = self._page(status, cursor)
            rows = [row for row in records.rows_in(page) if records.id_in(row, "runId")]
            if status and any(row.get("status") != status for row in rows):
                return  # a server that does not tell them apart: the newest have to do
            yield from rows if status else rows[: self.client.target.runs - given]
            given += len(rows)
            cursor, before = records.cursor_in(page), cursor
            if not records.has_more(page) or cursor == before or not rows:
                return

    def _first_page(self) -> list[Row]:
        page = self._page("", "")
        return [row for row in records.rows_in(page) if records.id_in(row, "runId")]

    def _page(self, status: str, cursor: str) -> object:
        params = {"limit": str(PAGE), "sortOrder": "desc"}
        params |= {"status": status} if status else {}
        params |= {"cursor": cursor} if cursor else {}
        try:
            return self._list(params)
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
        if one.is_over:
            self.state.over(one.run_id)
            return
        self.state.alive(one.run_id)
        if one.ended_ns is not None:  # while it was read; what was read is recorded by now
            yield from batches(self._attempt(where, self._over(one.run_id)))

    def _grown(self, run_id: str, name: str) -> Iterator[list[Observation]]:
        """A stream that a watcher heard: its new chunks, and what has happened in its run since."""
        one = RunReading(self, {"runId": run_id})
        yield from batches(one.news_of(name))
        if one.ended_ns is not None:
            yield from batches(self._attempt(f"runs/{run_id}", self._over(run_id)))

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
