from __future__ import annotations

import threading

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.models import Anomaly, Finding
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.prune import Keep, parse_keep, prune
from dashboard.worlds.known import ensure_world
from runs.models import Event, Run, Step
from streams import ingest
from streams.models import Chunk, Stream, Write, Writer
from tests.recordings import unpack


@pytest.fixture
def world(db, tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "_opened", {})
    world = ensure_world(str(unpack("4.8.9", "plain", tmp_path)))
    ingest.pull(world.pk, threading.Event())
    judge_world(world.pk, threading.Event())
    return world


def test_it_reads_an_age_a_size_or_both():
    assert parse_keep("30d") == Keep(seconds=30 * 86400)
    assert parse_keep("30d, 2GB") == Keep(30 * 86400, 2_000_000_000)
    assert parse_keep("") == Keep()
    with pytest.raises(ImproperlyConfigured, match="forever"):
        parse_keep("forever")


def test_nothing_younger_than_the_age_is_forgotten(world):
    chunks = Chunk.objects.count()
    assert prune(Keep(seconds=10 * 365 * 86400)) == 0
    assert Chunk.objects.count() == chunks


def test_what_is_older_goes_but_never_what_still_runs(world):
    Stream.objects.update(last_stored_ns=now_ns() - 100 * NS_PER_S)
    Run.objects.filter(completed_ns__isnull=False).update(completed_ns=now_ns() - 100 * NS_PER_S)
    prune(Keep(seconds=50))
    assert not Chunk.objects.exists() and not Finding.objects.exists() and not Anomaly.objects.exists()
    running = Run.objects.get(status="running")
    assert running.pruned_ns is None
    assert set(Event.objects.values_list("run", flat=True)) == set(
        Step.objects.values_list("run", flat=True)
    ) | {running.pk}


def test_what_was_forgotten_is_not_read_again(world):
    Stream.objects.update(last_stored_ns=1)
    Run.objects.filter(completed_ns__isnull=False).update(completed_ns=1)
    prune(Keep(seconds=50))
    ingest._opened.clear()
    ingest.hint(world.pk, ingest.EVERYTHING)
    ingest.pull(world.pk, threading.Event())
    assert not Chunk.objects.exists()
    assert set(Event.objects.values_list("run__status", flat=True)) <= {"running"}


def test_streams_with_findings_go_last(world):
    anomalous = set(Finding.objects.values_list("stream", flat=True))
    clean = Stream.objects.exclude(pk__in=anomalous)
    needed = sum(Stream.objects.filter(pk__in=anomalous).values_list("bytes", flat=True))
    dropped = prune(Keep(bytes=needed))
    assert dropped == clean.filter(head__gt=0).count() > 0
    assert not Stream.objects.filter(pk__in=anomalous).exclude(pruned_ns=None).exists()
    prune(Keep(bytes=1))
    assert not Chunk.objects.exists()


def test_what_a_probe_told_of_a_stream_goes_with_it(world):
    stream = Stream.objects.filter(run__status="completed", head__gt=0).first()
    unstored = Stream.objects.create(world=world, name="strm_told", run=stream.run, seen_ns=1)
    for one in (stream, unstored):
        writer = Writer.objects.create(stream=one, key="k", known="exact")
        Write.objects.create(
            stream=one,
            writer=writer,
            process="p",
            number=1,
            place=0,
            outcome="rejected",
            called_ns=1,
            revision=1,
        )
    assert prune(Keep(seconds=10 * 365 * 86400)) == 1, "nothing is stored of it, it was seen long ago"
    assert Write.objects.get().stream == stream
    Stream.objects.update(last_stored_ns=1)
    prune(Keep(seconds=50))
    assert not Write.objects.exists() and not Writer.objects.exists()
