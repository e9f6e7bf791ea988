"""The report says of a finding what the product's own pages say: title, issues of that SDK version, recipe."""

from __future__ import annotations

import threading

import pytest

from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.documentation import Fix, fixes
from dashboard.bundle.make import bundle_report
from streams.models import Stream
from tests.factories import CLOSE_MARKER, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db


def closed_twice(sdk: str) -> Stream:
    world = make_world(kind="local")
    stream = make_stream(world, "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user", make_run(world, sdk_version=sdk))
    make_chunks(stream, ["a", CLOSE_MARKER, CLOSE_MARKER])
    stream.save()
    judge_world(world.pk, threading.Event())
    return Stream.objects.select_related("run", "world").get(pk=stream.pk)


def test_it_is_titled_and_explained_as_the_documentation_of_its_finding_is():
    report = bundle_report(closed_twice("4.8.9"))
    assert report.startswith("# More than one end marker\n")
    assert "Known as vercel/workflow#3712 (`closed_more_than_once`)." in report
    assert "## How to reproduce\n\n* Close the stream in one step, and again in a later one." in report


@pytest.mark.parametrize("sdk", ["3.9.9", ""])
def test_it_names_no_issue_of_a_version_that_is_not_affected_or_not_known(sdk):
    assert "Known as" not in bundle_report(closed_twice(sdk))


def test_a_kind_without_a_recipe_has_none():
    assert Fix().recipe == "" == fixes()["stream_silent"].recipe
    assert all("\n\n" not in one.recipe for one in fixes().values())
