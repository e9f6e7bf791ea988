"""All routes. Pages are found in the folders of their floor; sockets are routed in `dashboard.asgi`."""

from __future__ import annotations

from dashboard import account, health
from dashboard.api import probe
from dashboard.lib.pages import urlpatterns_of

urlpatterns = [
    *urlpatterns_of("dashboard.pages"),
    *urlpatterns_of("dashboard.alerts.pages"),
    *urlpatterns_of("dashboard.anomalies.pages"),
    *urlpatterns_of("runs.pages"),
    *urlpatterns_of("streams.pages"),
    *probe.urlpatterns,
    *account.urlpatterns,
    *health.urlpatterns,
]
