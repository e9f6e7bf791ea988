"""What is known upstream of each kind of finding, and how it comes about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    title: str
    issue: str = ""  # of github.com/vercel/workflow
    recipe: str = ""  # how to see it happen


_RACE = (
    "In one step, call `getWritable()` anew for every chunk (take a writer, write, release it) and await each write."
    " With a world whose writes take some 20 ms or more, as over a network, the stored order differs from the order"
    " of the writes; on a local disk it does so rarely, and the calls still overlap. SDK 4.x and the early 5.0 betas"
    " are affected."
)
KNOWN: Mapping[str, Known] = {
    "out_of_order": Known(
        "Chunks are stored in another order than the step wrote them", "vercel/workflow#2058", _RACE
    ),
    "racing_writers": Known(
        "Several writables of one step race for one stream", "vercel/workflow#2058", _RACE
    ),
    "write_rejected": Known(
        "Stream writes are rejected because the run has ended",
        "vercel/workflow#1949",
        "Write to the stream in the last step of a workflow and let the step return before its last write has been"
        " acknowledged (or close the stream in a step that nothing follows). A world that refuses writes of ended"
        " runs answers the late ones with HTTP 409, and they are lost.",
    ),
    "chunk_lost": Known(
        "Chunks that a step wrote are not stored",
        recipe="Return from the step before the promise of the last `writer.write()` has settled, in a run that ends"
        " with that step.",
    ),
    "closed_while_writing": Known(
        "A stream was closed while another step was still writing",
        recipe="Run two steps that write to one stream at the same time, and let one of them close it.",
    ),
    "write_after_close": Known(
        "Chunks lie behind the end marker, where no reader gets them",
        recipe="Close the stream in one step and write to it in a later one.",
    ),
    "closed_more_than_once": Known("A stream has several end markers"),
    "write_after_run_end": Known("Chunks were stored after the run had ended"),
    "never_closed": Known("A stream has no end marker although its run has ended"),
    "stream_unlisted": Known("A stream is missing from its run's stream list"),
    "protocol_violation": Known("The message in a stream breaks the AI SDK's chunk grammar"),
}


def known_of(kind: str) -> Known:
    return KNOWN.get(kind, Known(kind.replace("_", " ").capitalize()))
