"""From the flat list of a devalue text to values, without recursion and within limits."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from runs.payloads.document import Document, Plan, kind_of
from runs.payloads.model import Limits
from runs.payloads.plans import make_object, plan_of
from runs.payloads.values import HOLE, UNDEFINED, Cycle, Truncated

SPECIALS: dict[int, Any] = {
    -1: UNDEFINED,
    -2: HOLE,
    -3: float("nan"),
    -4: float("inf"),
    -5: float("-inf"),
    -6: -0.0,
}
CLOCK_EVERY = 1024
LONG = 256
LONGEST_NAME = 40
HALF_PATH = 200
REST = "…"
_NOTHING = object()


class _Frame:
    """A composite under construction; `left`, `room`, `marks`, `deepest` are as they were before it."""

    __slots__ = ("at", "deepest", "left", "marks", "out", "plan", "ref", "room")

    def __init__(self, ref: int, plan: Plan, tree: Tree) -> None:
        self.ref = ref
        self.plan = plan
        self.out: list[Any] = []
        self.at = 0
        self.left, self.room, self.marks, self.deepest = tree.left, tree.room, tree.marks, tree.deepest


class _Done(NamedTuple):
    """A finished node and what it costs each time it appears: values, characters, levels."""

    value: Any
    nodes: int
    chars: int
    levels: int


class Tree:
    """Builds values from a document. Shared nodes are built once and charged each time they appear.

    So the finished value, walked as a tree, never has more than `limits.nodes` values nor (but for the
    last one) more than `limits.inflated` characters, however often its parts refer to each other. `cut`
    names the first limit that was reached.
    """

    def __init__(self, doc: Document, limits: Limits) -> None:
        self.doc = doc
        self.flat = doc.flat
        self.limits = limits
        self.cut = ""
        self.left = limits.nodes
        self.room = limits.inflated
        self.long = {ref for ref, raw in enumerate(doc.flat) if raw.__class__ is str and len(raw) > LONG}
        self.deadline = time.monotonic() + limits.seconds
        self.ticks = CLOCK_EVERY
        self.marks = 0
        self.deepest = 0
        self.stack: list[_Frame] = []
        self.open: dict[int, str] = {}
        self.done: dict[int, _Done] = {}

    def read(self, ref: int, start: int = 0) -> Any:
        """The value at an index; `start` leaves out the first entries of a composite."""
        if self.flat[ref].__class__ not in (dict, list):
            return self.flat[ref]
        value = self._enter(ref, start)
        while self.stack:
            frame = self.stack[-1]
            child = self._advance(frame)
            if child is None:
                value = self._finish(frame)
                if self.stack:
                    self.stack[-1].out.append(value)
                continue
            known = self._enter(child)
            if known is not _NOTHING:
                frame.out.append(known)
        return value

    def _advance(self, frame: _Frame) -> int | None:
        """Takes over scalars up to the next composite; that one's index, or None at the end."""
        flat, refs, out, long = self.flat, frame.plan.refs, frame.out, self.long
        count = len(flat)
        for at in range(frame.at, len(refs)):
            ref = refs[at]
            if ref.__class__ is not int or not 0 <= ref < count:
                out.append(self._special(frame.ref, ref))
                continue
            raw = flat[ref]
            if raw.__class__ is dict or raw.__class__ is list:
                frame.at = at + 1
                return int(ref)
            out.append(self._long_text(ref, raw) if ref in long else raw)
        frame.at = len(refs)
        return None

    def _special(self, parent: int, ref: Any) -> Any:
        if ref.__class__ is Truncated:
            return ref
        self.doc.at = parent
        if ref.__class__ is not int:
            return self.doc.invalid("not a reference", ref)
        value = SPECIALS.get(ref, _NOTHING)
        if value is _NOTHING:
            return self.doc.invalid(f"a reference outside the list of {len(self.flat):,}", ref)
        return value

    def _long_text(self, ref: int, text: str) -> Any:
        self.room -= len(text)
        return text if self.room >= 0 else self._cut_off(ref, self._too_long())

    def _enter(self, ref: int, start: int = 0) -> Any:
        """A value that is there already, or _NOTHING after pushing a frame that will make it."""
        known = self.done.get(ref)
        if known is not None and self._reuse(known):
            return known.value
        reason = self._limit()
        if ref in self.open:
            return self._cycle(ref)
        if reason:
            return self._cut_off(ref, reason)
        raw = self.flat[ref]
        if raw.__class__ is dict and not start:
            small = self._small(ref, raw)
            if small is not None:
                return small
        self.doc.at = ref
        plan = plan_of(self.doc, raw)
        if plan.__class__ is not Plan:
            return self._leaf(ref, plan)
        self._push(ref, self._fit(ref, plan, start))
        return _NOTHING

    def _small(self, ref: int, raw: dict[str, Any]) -> dict[str, Any] | None:
        """An object of short scalars, made at once; None when it needs a frame. Most objects are."""
        flat, long, count = self.flat, self.long, len(self.flat)
        out: dict[str, Any] = {}
        for key, child in raw.items():
            if child.__class__ is not int or not 0 <= child < count or child in long:
                return None
            item = flat[child]
            if item.__class__ is dict or item.__class__ is list:
                return None
            out[key] = item
        done = _Done(out, len(raw), sum(map(len, raw)), 1)
        if not self._reuse(done):
            return None
        self.done[ref] = done
        return out

    def _leaf(self, ref: int, value: Any) -> Any:
        """A typed value without children, made once: a shared buffer would be decoded again and again."""
        chars = sum(len(part) for part in _parts(value))
        self.room -= chars
        self.done[ref] = _Done(value, 0, chars, 0)
        return value

    def _push(self, ref: int, plan: Plan) -> None:
        self.stack.append(_Frame(ref, plan, self))
        self.open[ref] = ""
        self.left -= len(plan.refs)
        if plan.build is make_object:
            self.room -= sum(map(len, plan.names))  # type: ignore[arg-type]
        self.deepest = len(self.stack)

    def _finish(self, frame: _Frame) -> Any:
        value = frame.plan.build(frame.plan.names, frame.out)
        depth = len(self.stack)
        self.stack.pop()
        del self.open[frame.ref]
        if frame.marks == self.marks:
            nodes, chars = frame.left - self.left, frame.room - self.room
            self.done[frame.ref] = _Done(value, nodes, chars, self.deepest - depth + 1)
        self.deepest = max(self.deepest, frame.deepest)
        return value

    def _reuse(self, known: _Done) -> bool:
        depth = len(self.stack) + known.levels
        if known.nodes > self.left or known.chars > self.room or depth > self.limits.depth:
            return False
        self.left -= known.nodes
        self.room -= known.chars
        self.deepest = max(self.deepest, depth)
        return True

    def _cycle(self, ref: int) -> Cycle:
        self.marks += 1
        path = self.open[ref] or "$"
        if path == "$":
            for frame in self.stack:
                if frame.ref == ref:
                    break
                path = _shortened(path + _step(frame.plan.names, frame.at - 1))
            self.open[ref] = path
        return Cycle(path, ref)

    def _limit(self) -> str:
        self.ticks -= 1
        if self.ticks < 0:
            self.ticks = CLOCK_EVERY
            if time.monotonic() > self.deadline:
                self.left, self.cut = 0, f"more than {self.limits.seconds} seconds of work"
        if self.left <= 0:
            return self.cut or self._too_many()
        if self.room < 0:
            return self._too_long()
        if len(self.stack) >= self.limits.depth:
            return f"nested more than {self.limits.depth} deep"
        return ""

    def _too_many(self, is_broad: bool = False) -> str:
        return (
            f"more than {self.limits.breadth:,} entries"
            if is_broad
            else f"more than {self.limits.nodes:,} values"
        )

    def _too_long(self) -> str:
        return f"more than {self.limits.inflated:,} characters"

    def _cut_off(self, ref: int, reason: str) -> Truncated:
        self.marks += 1
        self.cut = self.cut or reason
        raw = self.flat[ref]
        kind = kind_of(raw)
        return Truncated(ref, kind, len(raw) if kind in ("object", "array", "string") else 0)

    def _has_parts(self, plan: Plan, at: int) -> bool:
        """Whether the entry there is a composite, as the others are then likely to be: only those cost much."""
        ref = plan.refs[at] if at < len(plan.refs) else None
        return ref.__class__ is int and 0 <= ref < len(self.flat) and self.flat[ref].__class__ in (dict, list)

    def _fit(self, ref: int, plan: Plan, start: int) -> Plan:
        """The plan without its first `start` entries and without those above the limit."""
        first, total = start * plan.step, len(plan.refs)
        room = min(self.left, self.limits.breadth * plan.step) if self._has_parts(plan, first) else self.left
        end = min(total, first + room // plan.step * plan.step)
        if first == 0 and end == total:
            return plan
        refs, names = list(plan.refs[first:end]), plan.names
        if not callable(names):
            names = list(names[first:end])
        if end < total:
            self.marks += 1
            self.cut = self.cut or self._too_many(room < self.left)
            rest = Truncated(ref, kind_of(self.flat[ref]), total // plan.step, end // plan.step)
            refs += [rest] * plan.step
            names = names if callable(names) else [*names, REST]
        return plan._replace(refs=refs, names=names)


def _parts(value: Any) -> list[Any]:
    found = [getattr(value, name) for name in value.__slots__]
    return [part for part in found if isinstance(part, (str, bytes))]


def _step(names: Any, at: int) -> str:
    return names(at) if callable(names) else f".{str(names[at])[:LONGEST_NAME]}"


def _shortened(path: str) -> str:
    return path if len(path) <= 2 * HALF_PATH else path[:HALF_PATH] + REST + path[1 - HALF_PATH :]
