"""The anomaly that a URL names, or a page that says what may have happened to it."""

from __future__ import annotations

from django.http import Http404

from dashboard.anomalies.inbox_queries import anomaly_named
from dashboard.anomalies.models import Anomaly


def find_anomaly(pk: int) -> Anomaly:
    found = anomaly_named(pk) if pk < 2**63 else None
    if found is None:
        raise Http404("There is no such anomaly here. It may be older than what is kept.")
    return found
