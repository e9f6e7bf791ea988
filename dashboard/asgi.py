"""HTTP and websockets in one application. Origins are checked against the allowed hosts."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # sets Django up: what follows imports models

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402

from dashboard.alerts.socket import AlertSocket  # noqa: E402
from streams.consumers import StreamSocket, WorldSocket  # noqa: E402
from streams.worlds_socket import WorldsSocket  # noqa: E402

sockets = URLRouter(
    [
        path("ws/alerts/", AlertSocket.as_asgi()),
        path("ws/worlds/", WorldsSocket.as_asgi()),
        path("ws/w/<str:slug>/", WorldSocket.as_asgi()),
        path("ws/w/<str:slug>/streams/<str:name>/", StreamSocket.as_asgi()),
    ]
)
application = ProtocolTypeRouter(
    {"http": http, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))}
)
