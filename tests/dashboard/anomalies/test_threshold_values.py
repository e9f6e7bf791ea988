"""Which threshold counts, and that a change is seen by whoever judges next."""

from __future__ import annotations

import pytest

from dashboard.anomalies import threshold_values
from dashboard.anomalies.threshold_changes import set_threshold, store_learned
from dashboard.anomalies.threshold_medians import Learned, Lesson
from dashboard.anomalies.threshold_models import ThresholdValue
from dashboard.anomalies.threshold_values import thresholds_of, thresholds_read
from dashboard.anomalies.thresholds import DEFAULTS
from tests.factories import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh():
    threshold_values.forget()


@pytest.fixture
def world():
    return make_world()


def learn(world, workflow: str, **values: float) -> None:
    lessons = {name: Lesson(value, value / 20) for name, value in values.items()}
    store_learned(world.pk, workflow, Learned(lessons, 214), 1)


def test_a_workflows_own_value_counts_before_its_worlds_before_what_was_learned(world):
    assert thresholds_of(world.pk).of("slow") == DEFAULTS
    learn(world, "slow", idle_s=1800)
    assert thresholds_of(world.pk).of("slow").idle_s == 1800
    set_threshold(world, "", "idle_s", 3600, "me")
    assert thresholds_of(world.pk).of("slow").idle_s == 3600
    set_threshold(world, "slow", "idle_s", 7200, "me")
    assert thresholds_of(world.pk).of("slow").told("idle_s") == "Nothing happens: 2 h (set for this workflow)"
    assert (
        thresholds_of(world.pk).of("other").told("idle_s") == "Nothing happens: 60 min (set for this world)"
    )


def test_a_reset_gives_back_what_counts_before_it(world):
    learn(world, "slow", idle_s=1800)
    set_threshold(world, "slow", "idle_s", 7200, "me")
    set_threshold(world, "slow", "idle_s", None, "me")
    one = thresholds_of(world.pk).effective("slow", "idle_s")
    assert (one.value, one.source, one.runs) == (1800, "learned", 214)
    assert thresholds_of(world.pk).of("").idle_s == DEFAULTS.idle_s, (
        "what one workflow taught is not for others"
    )


def test_other_worlds_and_other_thresholds_are_left_alone(world):
    set_threshold(world, "", "idle_s", 60, "me")
    assert thresholds_of(world.pk).of("any").step_s == DEFAULTS.step_s
    assert thresholds_of(make_world("other").pk).of("any") == DEFAULTS


def test_counts_stay_whole_numbers(world):
    set_threshold(world, "", "retries", 4.0, "me")
    value = thresholds_of(world.pk).of("any").retries
    assert value == 4 and isinstance(value, int)


def test_a_value_of_a_threshold_that_is_no_longer_there_does_nothing(world):
    set_threshold(world, "", "idle_s", 60, "me")
    ThresholdValue.objects.update(name="gone")
    assert thresholds_read(world.pk).of("any") == DEFAULTS


def test_nothing_is_read_again_while_nothing_changes(world, django_assert_num_queries):
    set_threshold(world, "", "idle_s", 60, "me")
    thresholds_of(world.pk)
    with django_assert_num_queries(1):
        assert thresholds_of(world.pk).of("any").idle_s == 60
