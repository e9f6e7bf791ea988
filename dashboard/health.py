"""For machines: is the process up, can it serve, and a few numbers."""

from __future__ import annotations

from django.db import connection
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from dashboard.lib.clock import NS_PER_S, now_ns
from runs.models import Run, World
from streams.models import Stream


def live(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:
    """200 while the database answers; worlds that cannot be read are named but do not make us unready."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        worlds = {world.slug: world.trouble or "ok" for world in World.objects.all()}
    except Exception as error:  # the answer is the point: any failure of the database means not ready
        return JsonResponse({"status": "not ready", "reason": type(error).__name__}, status=503)
    return JsonResponse({"status": "ok", "worlds": worlds})


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text."""
    stored = Stream.objects.aggregate(chunks=Sum("chunk_count"), behind=Sum("behind_count"))
    oldest = World.objects.aggregate(read=Max("read_ns"))["read"]
    lines = [
        f"tailrace_worlds {World.objects.count()}",
        f"tailrace_runs {Run.objects.count()}",
        f"tailrace_streams {Stream.objects.count()}",
        f"tailrace_chunks {stored['chunks'] or 0}",
        f"tailrace_chunks_behind_end_marker {stored['behind'] or 0}",
    ]
    if oldest is not None:
        lines.append(f"tailrace_last_read_age_seconds {(now_ns() - oldest) / NS_PER_S:.3f}")
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")


urlpatterns = [
    path("health/live", live, name="health-live"),
    path("health/ready", ready, name="health-ready"),
    path("metrics", metrics, name="metrics"),
]
