"""System checks with stable ids: settings that cannot work together, each with a hint."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from dashboard.lib import outbound
from dashboard.prune import parse_keep


@register()
def check_scaled_out(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """SQLite has one writer and the in-memory broker one process: they go together, or not at all."""
    if settings.DATABASE_URL and not settings.REDIS_URL:
        return [
            Warning(
                "PostgreSQL is set but TAILRACE_REDIS_URL is not: only one process can work on it.",
                hint="Set TAILRACE_REDIS_URL to run workers and web processes of their own.",
                id="tailrace.W001",
            )
        ]
    if settings.REDIS_URL and not settings.DATABASE_URL:
        return [
            Error(
                "TAILRACE_REDIS_URL is set but the database is SQLite, which several processes cannot share safely.",
                hint="Set TAILRACE_DATABASE_URL=postgresql://..., or unset TAILRACE_REDIS_URL.",
                id="tailrace.E001",
            )
        ]
    return []


@register()
def check_keep(app_configs: Any, **_: Any) -> list[CheckMessage]:
    try:
        parse_keep(settings.KEEP)
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="Give an age, a size, or both: 30d,2GB.", id="tailrace.E002")]
    return []


@register()
def check_open_door(app_configs: Any, **_: Any) -> list[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        return [
            Error(
                "TAILRACE_ALLOWED_HOSTS has '*': any web page could read this dashboard through the reader's browser.",
                hint="Name the hosts people use to reach it.",
                id="tailrace.E003",
            )
        ]
    return []


@register()
def check_outbound(app_configs: Any, **_: Any) -> list[CheckMessage]:
    try:
        outbound.allowed()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="Name hosts, addresses or networks: 10.0.0.0/8.", id="tailrace.E004")]
    return []
