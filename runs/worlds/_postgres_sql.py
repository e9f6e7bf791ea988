"""Every statement that is sent to the tables of a PostgreSQL world, and what each may cost.

Each goes by an index of the SDK's own: a primary key, or `run_id`. None filters or sorts by a time, which no
index has. Columns that a version lacks are read as NULL, so that there is one form of row for all versions.
"""

from __future__ import annotations

from dataclasses import dataclass

from runs.worlds._postgres_schema import CHUNKS, EVENTS, HOOKS, KNOWN, RUNS, STEPS, WAITS, Schema

INLINE = 64 * 1024  # bytes: a larger chunk is asked for by itself
VALUE_INLINE = 256 * 1024  # bytes: a larger value is asked for by itself

EXTRA_MOST = 20  # columns of a run that no known version has
EXTRA_CHARS = 1000  # kept of each

# Values come as one column with the value (NULL where it is large) and one with its size.
RUN_COLUMNS = (
    "id", "status", "name", "deployment_id", "spec_version", "error_code", "encryption_public_key",
    "created_at", "updated_at", "started_at", "completed_at", "expired_at",
    "attributes", "execution_context", "execution_context_cbor",
    "input", "input_cbor", "output", "output_cbor", "error", "error_cbor",
)  # fmt: skip
EVENT_COLUMNS = ("id", "type", "correlation_id", "created_at", "run_id", "payload", "payload_cbor")
STEP_COLUMNS = (
    "run_id", "step_id", "step_name", "status", "attempt",
    "created_at", "updated_at", "started_at", "completed_at", "retry_after",
    "input", "input_cbor", "output", "output_cbor", "error", "error_cbor",
)  # fmt: skip
HOOK_COLUMNS = (
    "run_id", "hook_id", "token", "is_webhook", "is_system", "created_at", "metadata", "metadata_cbor",
)  # fmt: skip
WAIT_COLUMNS = ("run_id", "wait_id", "status", "created_at", "updated_at", "resume_at", "completed_at")
CHUNK_KEYS = ("stream_id", "id", "created_at")
RUN_KEYS = ("id", "status", "created_at", "updated_at", "started_at", "completed_at", "expired_at")
STEP_KEYS = (
    "run_id",
    "step_id",
    "status",
    "attempt",
    "created_at",
    "updated_at",
    "started_at",
    "completed_at",
)
SIZED = frozenset({"jsonb", "bytea"})  # types of values


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, and parameters with which a test may ask for its plan."""

    text: str
    example: tuple[object, ...]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


class Statements:
    """The statements for one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._runs = self._table(RUNS)
        self._chunks = self._table(CHUNKS)
        self.extra = schema.extra.get(RUNS, ())[:EXTRA_MOST]
        self.runs = self._whole_runs()
        self.run_keys = self._by_key(RUNS, RUN_KEYS, "id")
        self.newest_runs = self._newest_runs()
        self.events = self._by_key(EVENTS, EVENT_COLUMNS, "id")
        self.recent_events = self._recent_events()
        self.event_keys = self._event_keys()
        self.clock = self._clock()
        self.steps = self._by_key(STEPS, STEP_COLUMNS, "step_id")
        self.step_keys = self._of_runs(STEPS, STEP_KEYS)
        self.events_about = self._events_about()
        self.hooks = self._by_key(HOOKS, HOOK_COLUMNS, "hook_id")
        self.hooks_of = self._of_runs(HOOKS, HOOK_COLUMNS)
        self.waits = self._by_key(WAITS, WAIT_COLUMNS, "wait_id")
        self.waits_of = self._of_runs(WAITS, WAIT_COLUMNS)
        self.streams_of = self._streams_of()
        self.chunk_keys_of = self._chunk_keys_of()
        self.chunk_keys = self._chunk_keys()
        self.chunks = self._chunk_rows()
        self.chunk_head = self._large_chunk(f"substring({self._named('data')} FROM 1 FOR {INLINE})")
        self.whole_chunk = self._large_chunk(self._named("data"), digest=False)

    def all(self) -> dict[str, Statement]:
        named = {name: found for name, found in vars(self).items() if isinstance(found, Statement)}
        return named | {f"value of {t}.{c}": self.value(t, c) for t, c in VALUES if self.schema.has(t)}

    def value(self, table: str, column: str) -> Statement:
        """One whole value by its row's key."""
        key = KEYS[table]
        text = f"SELECT {self._read(table, column)} FROM {self._table(table)} WHERE {self._named(key)} = %s"
        return Statement(text, ("x",))

    def _table(self, table: str) -> str:
        return f"{quoted(self.schema.name)}.{quoted(table)}"

    @staticmethod
    def _named(column: str) -> str:
        return quoted(column)

    def _read(self, table: str, column: str, alias: str = "") -> str:
        """A column in the form in which it is read; a missing one is NULL of that form."""
        form = KNOWN[table][column]
        if column not in self.schema.columns.get(table, ()):
            return f"NULL::{'text' if form == 'jsonb' else form}"
        name = f"{alias}{self._named(column)}"
        return f"{name}::text" if form in ("text", "jsonb") else name

    def _columns(self, table: str, columns: tuple[str, ...]) -> str:
        return ", ".join(part for column in columns for part in self._column(table, column))

    def _column(self, table: str, column: str) -> list[str]:
        read = self._read(table, column)
        if KNOWN[table][column] not in SIZED and column != "error":
            return [read]
        if read.startswith("NULL"):
            return [read, "NULL::integer"]
        size = f"octet_length({read})"
        return [f"CASE WHEN {size} <= {VALUE_INLINE} THEN {read} END", size]

    def _by_key(self, table: str, columns: tuple[str, ...], key: str) -> Statement:
        text = f"SELECT {self._columns(table, columns)} FROM {self._table(table)}"
        return Statement(f"{text} WHERE {self._named(key)} = ANY(%s)", (["a", "b"],))

    def _of_runs(self, table: str, columns: tuple[str, ...]) -> Statement:
        text = f"SELECT {self._columns(table, columns)} FROM {self._table(table)}"
        return Statement(f"{text} WHERE {self._named('run_id')} = ANY(%s)", (["wrun_a", "wrun_b"],))

    def _whole_runs(self) -> Statement:
        """With the columns that no known version has, as text."""
        extra = "".join(f", left({self._named(column)}::text, {EXTRA_CHARS})" for column in self.extra)
        text = f"SELECT {self._columns(RUNS, RUN_COLUMNS)}{extra} FROM {self._runs}"
        return Statement(f"{text} WHERE {self._named('id')} = ANY(%s)", (["a", "b"],))

    def _newest_runs(self) -> Statement:
        """A page of the list of runs, newest first, below an id."""
        text = f"SELECT {self._columns(RUNS, RUN_KEYS)} FROM {self._runs} WHERE {self._named('id')} < %s"
        return Statement(f"{text} ORDER BY {self._named('id')} DESC LIMIT %s", ("wrun_Z", 500))

    def _recent_events(self) -> Statement:
        """Ids of the events from an id on: the overlap in which an event may still appear."""
        read = f"SELECT {self._columns(EVENTS, ('id', 'run_id'))} FROM {self._table(EVENTS)}"
        rest = f"WHERE {self._named('id')} > %s ORDER BY {self._named('id')} LIMIT %s"
        return Statement(f"{read} {rest}", ("wevt_7", 1000))

    def _event_keys(self) -> Statement:
        text = f"SELECT {self._columns(EVENTS, ('id', 'run_id'))} FROM {self._table(EVENTS)}"
        return Statement(f"{text} WHERE {self._named('run_id')} = ANY(%s)", (["wrun_a", "wrun_b"],))

    def _events_about(self) -> Statement:
        """The events of steps, hooks or waits."""
        text = f"SELECT {self._columns(EVENTS, EVENT_COLUMNS)} FROM {self._table(EVENTS)}"
        return Statement(f"{text} WHERE {self._named('correlation_id')} = ANY(%s)", (["wait_a", "wait_b"],))

    def _clock(self) -> Statement:
        """The newest events with their times, by which the database's time zone is known."""
        text = f"SELECT {self._columns(EVENTS, ('id', 'created_at'))} FROM {self._table(EVENTS)}"
        return Statement(f"{text} ORDER BY {self._named('id')} DESC LIMIT %s", (200,))

    def _streams_of(self) -> Statement:
        """The streams of runs by their names, from one to the next in the primary key, whatever lies between."""
        stream = self._named("stream_id")
        first = (
            f"SELECT min({stream}) AS s FROM {self._chunks} WHERE {stream} >= r.low AND {stream} <= r.high"
        )
        further = f"SELECT min({stream}) FROM {self._chunks} WHERE {stream} > f.s AND {stream} <= r.high"
        return Statement(
            "SELECT f.s::text FROM unnest(%s::text[], %s::text[]) AS r(low, high) CROSS JOIN LATERAL ("
            f"WITH RECURSIVE f AS (({first}) UNION ALL SELECT ({further}) FROM f WHERE f.s IS NOT NULL)"
            " SELECT f.s FROM f WHERE f.s IS NOT NULL LIMIT 1000) AS f",
            (["strm_A_user", "strm_B_user"], ["strm_A_userzzzz", "strm_B_userzzzz"]),
        )

    def _chunk_keys_of(self) -> Statement:
        """The streams that a run's chunks name, however the stream is called, without those known already."""
        run, stream = self._named("run_id"), self._named("stream_id")
        if "run_id" not in self.schema.columns.get(CHUNKS, ()):
            return Statement(
                "SELECT NULL::text, NULL::text WHERE %s::text[] IS NULL AND %s::text[] IS NULL", ([], [])
            )
        where = f"{run} = ANY(%s) AND NOT {stream} = ANY(%s)"
        text = f"SELECT DISTINCT {run}::text, {stream}::text FROM {self._chunks} WHERE {where}"
        return Statement(text, (["wrun_a", "wrun_b"], ["strm_a"]))

    def _chunk_keys(self) -> Statement:
        """Keys of chunks of some streams, of each from an id on, in the order of their ids."""
        stream, chunk = self._named("stream_id"), self._named("id")
        columns = self._columns(CHUNKS, CHUNK_KEYS)
        return Statement(
            "SELECT k.* FROM unnest(%s::text[], %s::text[]) AS w(stream, low) CROSS JOIN LATERAL ("
            f"SELECT {columns} FROM {self._chunks} WHERE {stream} = w.stream AND {chunk} > w.low"
            f" ORDER BY {chunk} LIMIT %s) AS k",
            (["strm_a", "strm_b"], ["", ""], 1000),
        )

    def _chunk_rows(self) -> Statement:
        """Exactly these chunks; of a large one its size only."""
        stream, chunk, data = (self._named(name) for name in ("stream_id", "id", "data"))
        run = self._read(CHUNKS, "run_id", "c.")
        created = self._read(CHUNKS, "created_at", "c.")
        return Statement(
            f"SELECT c.{stream}::text, c.{chunk}::text, {created}, c.{self._named('eof')}, {run},"
            f" octet_length(c.{data}), CASE WHEN octet_length(c.{data}) <= {INLINE} THEN c.{data} END"
            f" FROM unnest(%s::text[], %s::text[]) AS w(stream, id) CROSS JOIN LATERAL (SELECT * FROM {self._chunks} x"
            f" WHERE x.{stream} = w.stream AND x.{chunk} = w.id LIMIT 1) AS c",
            (["strm_a", "strm_b"], ["chnk_a", "chnk_b"]),
        )

    def _large_chunk(self, read: str, *, digest: bool = True) -> Statement:
        where = f"WHERE {self._named('stream_id')} = %s AND {self._named('id')} = %s"
        more = f", sha256({self._named('data')})" if digest else ""
        return Statement(f"SELECT {read}{more} FROM {self._chunks} {where}", ("strm_a", "chnk_a"))


KEYS = {RUNS: "id", EVENTS: "id", STEPS: "step_id", HOOKS: "hook_id", WAITS: "wait_id"}
# The values that may be large, which a pointer may name.
VALUES = (
    *((RUNS, name) for name in ("attributes", "execution_context", "execution_context_cbor")),
    *((table, name) for table in (RUNS, STEPS) for name in ("input", "output", "error")),
    *((table, f"{name}_cbor") for table in (RUNS, STEPS) for name in ("input", "output", "error")),
    *((EVENTS, name) for name in ("payload", "payload_cbor")),
    *((HOOKS, name) for name in ("metadata", "metadata_cbor")),
)  # fmt: skip
