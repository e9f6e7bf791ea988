"""Every threshold a person may change: what is said of it, how it is entered, and that detectors go by it."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import fields

import pytest

from dashboard.anomalies.detectors.base import DETECTORS
from dashboard.anomalies.judge import StreamJudge
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS
from dashboard.anomalies.thresholds import ABOUT, DEFAULTS, TIMED, Thresholds, names_for, words_of
from dashboard.lib.clock import NS_PER_S
from tests.examples import NOW_NS, SUPPLIES, example
from tests.needs import ROOT

KINDS = {**DETECTORS.found, **RUN_DETECTORS.found}


def test_each_is_told_with_its_bounds_and_the_kinds_that_it_decides():
    assert set(ABOUT) == {one.name for one in fields(Thresholds)} - {"origins"}
    for name, about in ABOUT.items():
        assert about.least <= about.default <= about.most, name
        assert about.default == getattr(DEFAULTS, name)
        assert about.help.endswith(".") and about.label and set(about.kinds) <= set(KINDS)
        if about.learning:
            assert about.least <= about.learning.least <= about.default <= about.learning.most <= about.most


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_detector_uses_the_thresholds_that_name_it_and_no_others(kind: str):
    source = inspect.getsource(inspect.getmodule(KINDS[kind]))
    used = set(re.findall(r"(?:thresholds|limits)\.(\w+)", source)) & set(ABOUT)
    expected = set(names_for(kind)) - ({"slack_s"} if kind in TIMED else set())
    assert used == expected
    assert ("self.reached(" in source) == (kind in TIMED), "whoever asks how late it is uses the slack"


def test_no_detector_keeps_a_time_of_its_own_beside_what_clocks_and_asking_again_need():
    allowed = {"AGAIN_NS", "RARELY_NS", "ZONE_NS"}  # when to ask again, and what time zones are
    for folder in ("detectors", "run_detectors"):
        for path in (ROOT / "dashboard" / "anomalies" / folder).glob("*.py"):
            module = importlib.import_module(f"dashboard.anomalies.{folder}.{path.stem}")
            own = {
                name
                for name, value in vars(module).items()
                if re.fullmatch(r"[A-Z_]+_NS", name) and value >= NS_PER_S
            }
            assert own <= allowed, path.name


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("idle_s", "90", 90),
        ("idle_s", " 15 min ", 900),
        ("idle_s", "1.5h", 5400),
        ("idle_s", "2 days", 172_800),
        ("events", "30000", 30_000),
        ("events_part", "75 %", 0.75),
        ("events_part", "0,5", 0.5),
        ("silent_times", "4", 4),
    ],
)
def test_a_value_is_entered_as_people_write_it(name: str, text: str, value: float):
    assert ABOUT[name].parsed(text) == value


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("idle_s", "", "not a time"),
        ("idle_s", "soon", "not a time"),
        ("idle_s", "-5", "not a time"),
        ("idle_s", "nan", "not a time"),
        ("idle_s", "1e9", "not a time"),
        ("idle_s", "５", "not a time"),
        ("idle_s", "1", "from 10 s to 30 days"),
        ("idle_s", "31 days", "from 10 s to 30 days"),
        ("events", "10 min", "not a number"),
        ("events", "250.5", "whole number"),
        ("events_part", "2", "from 5 % to 100 %"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(name: str, text: str, says: str):
    with pytest.raises(ValueError, match=says):
        ABOUT[name].parsed(text)


@pytest.mark.parametrize("name", sorted(ABOUT))
def test_a_value_that_is_shown_in_a_form_can_be_entered_again(name: str):
    about = ABOUT[name]
    for value in (about.default, about.least, about.most, 1234):
        if about.least <= value <= about.most:
            assert about.parsed(about.entered(value)) == value


def test_evidence_names_the_value_and_where_it_comes_from():
    assert DEFAULTS.told("idle_s") == "Nothing happens: 10 min (default)"
    own = Thresholds(idle_s=7200, origins={"idle_s": "learned"})
    assert (
        own.told("idle_s", "retries")
        == "Nothing happens: 2 h (learned); Retries at once: 10 retries (default)"
    )


def test_times_are_told_in_words():
    said = [words_of(one) for one in (0.25, 59, 150, 7300, 3 * 86_400)]
    assert said == ["0.25 s", "59 s", "2.5 min", "2.03 h", "3 days"]


@pytest.mark.parametrize(
    ("line", "kind", "thresholds"),
    [
        ('run=running steps=A@120 at=100,95 "a" "b" -> nothing', "stream_silent", Thresholds(silent_s=200)),
        (
            'run=running steps=A@120 at=100,95 "a" "b" -> nothing',
            "stream_silent",
            Thresholds(silent_times=1000),
        ),
        ("run=completed ended=60s text-start(t1) -> nothing", "never_closed", Thresholds(close_s=120)),
        (
            'run=completed ended=60s stored=30s "a" close -> nothing',
            "write_after_run_end",
            Thresholds(late_s=60),
        ),
    ],
)
def test_a_stream_is_judged_by_the_thresholds_that_it_is_given(line: str, kind: str, thresholds: Thresholds):
    one = example(line)

    def kinds(given: Thresholds) -> set[str]:
        judge = StreamJudge(thresholds=given)
        for chunk in one.chunks:
            judge.feed(chunk)
        return {found.kind for found in judge.judge(one.stream, NOW_NS, SUPPLIES).found}

    assert kind in kinds(DEFAULTS)
    assert kind not in kinds(thresholds)


def test_each_is_on_the_documentation_page_as_it_is():
    page = (ROOT / "docs" / "thresholds.md").read_text()
    rows = {
        line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")
    }
    for about in ABOUT.values():
        bounds = f"{about.words(about.least)} to {about.words(about.most)}"
        kinds = ", ".join(f"`{kind}`" for kind in about.kinds)
        said = f"| {about.label} | {about.words(about.default)} | {bounds} | {about.help} | {kinds} |"
        assert said in page, about.name
        learning = about.learning
        learned = learning and (
            f"| {about.label} | median of: {learning.words} | {learning.times:g} times | "
            f"{about.words(learning.least)} to {about.words(learning.most)} |"
        )
        assert not learned or learned in page, about.name
    assert set(rows) - {"threshold"} == {about.label for about in ABOUT.values()}, "and nothing else"
