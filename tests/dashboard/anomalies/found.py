"""Findings as the judges store them, made directly."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.db import transaction

from dashboard.anomalies import life
from dashboard.anomalies.groups import Group, group_of_stream
from dashboard.anomalies.models import Anomaly, Finding
from dashboard.lib.clock import now_ns
from runs.models import Run
from streams.models import Stream

_numbers = count(1)


def make_stream_of(run: Run, namespace: str = "") -> Stream:
    suffix = f"_user_{namespace}" if namespace else "_user"
    return Stream.objects.create(
        world=run.world, run=run, name=f"strm_{next(_numbers):026d}{suffix}", seen_ns=now_ns()
    )


def find(stream: Stream, kind: str = "write_after_close", step_name: str = "", **values: Any) -> Finding:
    """What a detector has found in a stream, in the place of what it found there before."""
    defaults = {
        "severity": "error", "certainty": "proved", "message": "Something is wrong.", "detector_version": 1,
    } | values  # fmt: skip
    with transaction.atomic():
        return _find(stream, kind, step_name, defaults)


def _find(stream: Stream, kind: str, step_name: str, defaults: dict[str, Any]) -> Finding:
    before = Finding.objects.select_related("anomaly").filter(stream=stream, kind=kind).first()
    group = group_of_stream(stream, kind, "")
    group = Group(group.kind, group.workflow, step_name, group.namespace)
    defaults["anomaly"] = life.anomaly_for(stream.world, group)
    defaults["run"] = stream.run
    defaults["found_ns"] = before.found_ns if before else now_ns()
    finding, _ = Finding.objects.update_or_create(stream=stream, kind=kind, defaults=defaults)
    life.stored(finding, before)
    return finding


def withdraw(finding: Finding) -> Anomaly:
    Finding.objects.filter(pk=finding.pk).delete()
    life.withdrawn(finding)
    return Anomaly.objects.get(pk=finding.anomaly_id)
