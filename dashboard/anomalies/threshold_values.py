"""Which thresholds count for a workflow: set for it, set for its world, learned from its runs, or the default.

Read by judges before each stream and each group of runs, so kept per process; the newest `ThresholdChange` of a world
says whether what is kept is still so. Only `threshold_changes` writes these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from dashboard.anomalies.threshold_medians import LEARNED, Lesson, thresholds_with
from dashboard.anomalies.threshold_models import LearnedThresholds, ThresholdChange, ThresholdValue
from dashboard.anomalies.thresholds import ABOUT, DEFAULTS, Thresholds

OF_WORKFLOW, OF_WORLD = "set for this workflow", "set for this world"
WORLDS_KEPT = 256
Source = Literal["workflow", "world", "learned", "default"]
_Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a person set, and when."""

    value: float
    who: str = ""
    set_ns: int = 0


@dataclass(frozen=True, slots=True)
class LearnedHere:
    """What one workflow's finished runs taught."""

    lessons: Mapping[str, Lesson] = field(default_factory=dict)
    runs: int = 0
    learned_ns: int = 0


@dataclass(frozen=True, slots=True)
class Effective:
    """One threshold of one workflow, and where its value comes from."""

    value: float
    source: Source
    setting: Setting | None = None
    lesson: Lesson | None = None
    runs: int = 0
    learned_ns: int = 0


@dataclass(frozen=True)
class WorldThresholds:
    """All thresholds of one world. `settings` are by workflow ("" for all of them) and name."""

    version: int = 0
    settings: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    learned: Mapping[str, LearnedHere] = field(default_factory=dict)
    _made: dict[str, Thresholds] = field(default_factory=dict, compare=False, repr=False)

    def of(self, workflow: str) -> Thresholds:
        """What runs of a workflow, and their streams, are judged by."""
        if not self.settings and not self.learned:
            return DEFAULTS
        known = workflow if workflow in self.settings or workflow in self.learned else ""
        if known not in self._made:
            self._made[known] = self._thresholds(known)
        return self._made[known]

    def effective(self, workflow: str, name: str) -> Effective:
        """Of all workflows where `workflow` is empty: then nothing is learned."""
        of_workflow = self.settings.get(workflow, {}).get(name) if workflow else None
        setting = of_workflow or self.settings.get("", {}).get(name)
        if setting is not None:
            return Effective(setting.value, "workflow" if of_workflow else "world", setting)
        learned = self.learned.get(workflow, LearnedHere())
        if workflow and name in learned.lessons:
            lesson = learned.lessons[name]
            return Effective(lesson.value, "learned", None, lesson, learned.runs, learned.learned_ns)
        return Effective(ABOUT[name].default, "default")

    def with_value(self, workflow: str, name: str, value: float | None) -> WorldThresholds:
        """As they would be after a change."""
        of_workflow = {**self.settings.get(workflow, {})}
        of_workflow.pop(name, None)
        if value is not None:
            of_workflow[name] = Setting(value)
        return replace(self, settings={**self.settings, workflow: of_workflow}, _made={})

    def _thresholds(self, workflow: str) -> Thresholds:
        values, origins = {}, {}
        words = {"workflow": OF_WORKFLOW, "world": OF_WORLD, "learned": LEARNED}
        for name in ABOUT:
            one = self.effective(workflow, name)
            if one.source != "default":
                values[name], origins[name] = one.value, words[one.source]
        return thresholds_with(values, origins) if values else DEFAULTS


_kept: dict[int, WorldThresholds] = {}


def version_of(world_id: int) -> int:
    """One more with each change. Zero where nothing was ever set or learned."""
    rows = ThresholdChange.objects.filter(world=world_id).order_by("-id")
    return rows.values_list("id", flat=True).first() or 0


def thresholds_of(world_id: int) -> WorldThresholds:
    """What counts in a world now. The version is read first: what is read after it is as new, or newer."""
    version = version_of(world_id)
    known = _kept.get(world_id)
    if known is not None and known.version == version:
        return known
    resolved = _read(world_id, version) if version else WorldThresholds()
    if len(_kept) >= WORLDS_KEPT:
        _kept.clear()
    _kept[world_id] = resolved
    return resolved


def thresholds_read(world_id: int) -> WorldThresholds:
    """Read anew, with what was learned since about the same values: for people."""
    return _read(world_id, version_of(world_id))


def _read(world_id: int, version: int) -> WorldThresholds:
    settings: dict[str, dict[str, Setting]] = {}
    for row in ThresholdValue.objects.filter(world=world_id, name__in=list(ABOUT)):
        settings.setdefault(row.workflow, {})[row.name] = Setting(row.value, row.who, row.set_ns)
    learned = {
        row.workflow: LearnedHere(lessons_in(row.lessons), row.runs, row.learned_ns)
        for row in LearnedThresholds.objects.filter(world=world_id)
        if row.lessons
    }
    return WorldThresholds(version, settings, learned)


def lessons_in(stored: Mapping[str, list[float]]) -> dict[str, Lesson]:
    """Without thresholds that a later version no longer has."""
    return {name: Lesson(*pair) for name, pair in stored.items() if name in ABOUT}


def forget() -> None:
    """Drop what is kept: for tests, whose worlds come again with the same number."""
    _kept.clear()
