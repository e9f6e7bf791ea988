"""For machines: is the process up, can it serve, and a few numbers."""

from __future__ import annotations

from django.db import connection
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from dashboard.lib.clock import NS_PER_S, now_ns
from runs.managed import KNOWN, standing
from runs.models import Run, World
from streams.models import Stream


def live(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:
    """200 while the database answers; worlds that cannot be read are named but do not make us unready."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        worlds = {world.slug: _state(world) for world in World.objects.filter(KNOWN)}
    except Exception as error:  # the answer is the point: any failure of the database means not ready
        return JsonResponse({"status": "not ready", "reason": type(error).__name__}, status=503)
    return JsonResponse({"status": "ok", "worlds": worlds})


def _state(world: World) -> str:
    now = standing(world)
    return (world.trouble or "ok") if now == "followed" else now


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text. A world that is paused on purpose is neither up nor behind: it has no such lines."""
    stored = Stream.objects.aggregate(chunks=Sum("chunk_count"), behind=Sum("behind_count"))
    oldest = World.objects.filter(paused_ns=None).aggregate(read=Max("read_ns"))["read"]
    lines = [
        f"tailrace_worlds {World.objects.filter(KNOWN).count()}",
        f"tailrace_runs {Run.objects.count()}",
        f"tailrace_streams {Stream.objects.count()}",
        f"tailrace_chunks {stored['chunks'] or 0}",
        f"tailrace_chunks_behind_end_marker {stored['behind'] or 0}",
    ]
    if oldest is not None:
        lines.append(f"tailrace_last_read_age_seconds {(now_ns() - oldest) / NS_PER_S:.3f}")
    lines += [line for world in World.objects.filter(KNOWN).order_by("pk") for line in _of_world(world)]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")


def _of_world(world: World) -> list[str]:
    if standing(world) != "followed":
        return [f'tailrace_world_paused{{world="{world.slug}"}} 1']
    lines = [f'tailrace_world_up{{world="{world.slug}",kind="{world.kind}"}} {0 if world.trouble else 1}']
    if world.read_ns is not None:
        age = (now_ns() - world.read_ns) / NS_PER_S
        lines.append(f'tailrace_world_read_age_seconds{{world="{world.slug}"}} {age:.3f}')
    return lines


urlpatterns = [
    path("health/live", live, name="health-live"),
    path("health/ready", ready, name="health-ready"),
    path("metrics", metrics, name="metrics"),
]
