"""What is judged by time alone: only where somebody looked. A world that is paused or unreachable says nothing.

Whatever a detector waits for may have happened there unseen. So what is due is judged once the world has been read
after that time, and in a world that is not being read time stands still at its last look.
"""

from __future__ import annotations

from django.db.models import F, Q

from runs.models import World


def is_due(due: str, world: str, now_ns: int) -> Q:
    """The time in the column `due` has come, and the row's `world` was read since (or is never read: a probe's)."""
    unread, since = Q(**{f"{world}__read_ns": None}), Q(**{f"{world}__read_ns__gte": F(due)})
    followed = Q(**{f"{world}__paused_ns": None, f"{world}__trouble": ""})
    return Q(**{f"{due}__lte": now_ns}) & followed & (unread | since)


def time_in(world: World, now_ns: int) -> int:
    """Our clock, as far as it tells of this world."""
    is_read = world.paused_ns is None and not world.trouble
    return now_ns if is_read or world.read_ns is None else min(now_ns, world.read_ns)
