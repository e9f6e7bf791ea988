"""The app of findings and anomalies: fills the slots of lower floors when Django starts."""

from __future__ import annotations

from django.apps import AppConfig


class AnomaliesConfig(AppConfig):
    name = "dashboard.anomalies"
    label = "anomalies"

    def ready(self) -> None:
        from dashboard.anomalies import queries, run_queries
        from dashboard.lib import panels
        from streams import list_queries

        panels.provide("run_badges", queries.run_badges)
        panels.provide("run_findings", run_queries.run_findings)
        panels.provide("stream_badges", queries.stream_badges)
        panels.provide("stream_verdict", queries.stream_verdict)
        panels.provide("chunk_notes", queries.chunk_notes)
        panels.provide("world_findings", queries.world_findings)
        list_queries.provide_kinds(queries.kinds, queries.with_kind)
