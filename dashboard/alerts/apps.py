"""The app of alerts: listens to what is committed about anomalies."""

from __future__ import annotations

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "dashboard.alerts"
    label = "alerts"

    def ready(self) -> None:
        from django.db.models.signals import post_save

        from dashboard.alerts import bell
        from dashboard.anomalies.models import AnomalyEvent, Finding

        for model in (Finding, AnomalyEvent):
            post_save.connect(bell.ring_on_commit, sender=model, dispatch_uid=f"alerts.{model.__name__}")
