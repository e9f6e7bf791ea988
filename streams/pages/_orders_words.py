"""What the orders panel says in words: how many chunks moved, out of how many, and how sure that is."""

from __future__ import annotations

from collections import Counter

from runs.pages._format import counted
from streams._rebuilt_rows import why_unknown
from streams.models import Stream
from streams.order_queries import Looked
from streams.orders import ARRIVAL, STORED, WRITER, Comparison, Order, Pair
from streams.rebuilt import PROVED, SUSPECTED

NAMES: dict[Order, str] = {
    WRITER: "as the writer meant it",
    ARRIVAL: "as it became durable",
    STORED: "as stored, what readers get",
}
_WORDS: dict[frozenset[Order], tuple[str, str, str]] = {  # of one chunk that moved, of several, of none
    frozenset({WRITER, STORED}): (
        "is not where its writer put it", "are not where their writer put them", "stored where their writer put them",
    ),
    frozenset({WRITER, ARRIVAL}): (
        "became durable out of its writer's order", "became durable out of their writer's order",
        "durable in the order that their writer meant",
    ),
    frozenset({ARRIVAL, STORED}): (
        "is stored elsewhere than it became durable", "are stored in another order than they became durable",
        "stored in the order in which they became durable",
    ),
}  # fmt: skip
_BY_CALLS = f"{SUSPECTED}: by the order of calls"
_BOTH = f"{PROVED}: the order of calls and the message's grammar agree"


def sentence_of(stream: Stream, looked: Looked, found: Comparison, pair: Pair, agrees: bool = False) -> str:
    """The first line of the panel. `found` of a long stream holds only what was looked at.

    `agrees`: judging found the order of calls and the message's grammar to say the same.
    """
    if not looked.chunks or not stream.chunk_count:
        return "No chunk is stored"
    if WRITER in pair and not looked.told:
        reason = why_unknown(stream, looked.told) or "no report tells of these chunks"
        return f"The writer's order is not known here: {reason}; a probe would tell"
    of = counted(found.total, "chunk") + ("" if looked.is_whole else " looked at")
    one, several, none = _WORDS[frozenset(pair)]
    if moved := len(found.moved_chunks):
        return f"{moved:,} of {of} {one if moved == 1 else several} ({_how_sure(found, agrees)})"
    if found.total == 1:
        return "A single chunk: nothing can be out of order"
    if len(found.known) == found.total:
        sure = f" ({PROVED if found.certainty == PROVED else _BY_CALLS})" if WRITER in pair else ""
        return f"All {of} are {none}{sure}"
    known = len(found.known)
    return f"Of {of} {known:,} {'is' if known == 1 else 'are'} {none}; of the others the writer's order is not known"


def _how_sure(found: Comparison, agrees: bool) -> str:
    counts = Counter(move.certainty for move in found.moved_chunks.values())
    if len(counts) > 1:
        return f"{counts[PROVED]:,} proved, {counts[SUSPECTED]:,} suspected"
    return _BOTH if agrees and SUSPECTED in counts else next(iter(counts))


def notes_of(stream: Stream, looked: Looked, found: Comparison, pair: Pair, ghosts: int) -> list[str]:
    notes = _close_words(found)
    if not looked.is_whole:
        notes.append(_whole_words(stream, pair))
        notes += ["Distances count what was looked at"] if found.moved else []
    if WRITER in pair:
        notes += _failed_words(looked, ghosts) + _scope_words(looked, found)
    elif found.moved_chunks:
        notes.append("Parallel writes of one batch do that: no problem by itself")
    return notes + _judged_words(stream, looked, found, pair)


def _whole_words(stream: Stream, pair: Pair) -> str:
    total = counted(stream.chunk_count, "chunk")
    if set(pair) == {WRITER, STORED}:
        return f"As judged, {stream.moved_count:,} of all {total} moved"
    if WRITER not in pair and not stream.renumbered:
        return f"None of all {total} was stored before one that was there already"
    return f"The stream has {total}"


def _close_words(found: Comparison) -> list[str]:
    moved = sum(arrival in found.closes for arrival in found.moved)
    return [f"{counted(moved, 'end marker')} moved too"] if moved else []


def _failed_words(looked: Looked, ghosts: int) -> list[str]:
    if not looked.failed:
        return []
    counts = Counter(one.outcome for one in looked.failed.values())
    words = ", ".join(f"{counted(count, 'write')} {outcome}" for outcome, count in sorted(counts.items()))
    more = f" ({ghosts:,} of them not in this part)" if ghosts else ""
    return [f"{words}: no chunk, and so no line{more}"]


def _scope_words(looked: Looked, found: Comparison) -> list[str]:
    words = []
    if len({one.scope for one in looked.told}) > 1:
        words.append(
            "Chunks of different steps or attempts have no order between them: each keeps its places"
        )
    if looked.told and len(found.known) < found.total and found.moved_chunks:
        words.append(
            f"The writer's order is known of {len(found.known):,} of {counted(found.total, 'chunk')}"
        )
    return words


def _judged_words(stream: Stream, looked: Looked, found: Comparison, pair: Pair) -> list[str]:
    """Where the marks of the rows say something else than this pair of orders."""
    if not stream.moved_count or not looked.is_whole:
        return []
    if not stream.write_revision:
        return [f"By the message's grammar {_moved(stream.moved_count)}: a probe would tell what was meant"]
    if set(pair) == {WRITER, STORED} and stream.moved_count == len(found.moved_chunks):
        return []
    return [
        f"As judged, by the writer's order and the message's grammar together, {_moved(stream.moved_count)}"
    ]


def _moved(count: int) -> str:
    return f"{counted(count, 'chunk')} moved"
