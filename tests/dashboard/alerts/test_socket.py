"""The socket of open pages, rung by the channel that tells them."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from dashboard.alerts.channels.base import Message
from dashboard.alerts.channels.browser import Browser
from dashboard.alerts.models import AlertChannel, Delivery
from dashboard.alerts.socket import AlertSocket
from dashboard.lib import doorbell
from dashboard.lib.clock import now_ns

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def socket():
    doorbell.use_loop(asyncio.get_running_loop())
    opened = WebsocketCommunicator(AlertSocket.as_asgi(), "/ws/alerts/")
    connected, _ = await opened.connect()
    assert connected
    await opened.receive_nothing(timeout=0.2)  # until it has looked for the first time
    yield opened
    await opened.disconnect()
    doorbell.use_loop(None)


def tell(event: str) -> str:
    return Browser({}, {}).send(Message(event, "k", "title"))


async def test_a_page_is_told_to_look_when_something_is_sent(socket):
    await sync_to_async(tell)("anomaly")
    assert await socket.receive_json_from(timeout=10) == {"changed": True}
    assert await socket.receive_nothing(timeout=0.2)


async def test_a_page_is_told_to_look_where_the_ring_was_lost(socket):
    assert await socket.receive_nothing(timeout=0.2)
    await sync_to_async(store)()
    assert await socket.receive_json_from(timeout=20) == {"changed": True}


def store() -> None:
    now = now_ns()
    channel = AlertChannel.objects.create(kind="browser", name="Open pages", created_ns=now)
    Delivery.objects.create(
        channel=channel,
        event="anomaly",
        title="title",
        severity="error",
        message={},
        key="k",
        state="sent",
        created_ns=now,
        due_ns=now,
        sent_ns=now,
    )


async def test_nobody_listens_who_has_not_signed_in(settings):
    settings.SIGN_IN = True
    opened = WebsocketCommunicator(AlertSocket.as_asgi(), "/ws/alerts/")
    opened.scope["user"] = type("Nobody", (), {"is_authenticated": False})()
    connected, _ = await opened.connect()
    assert not connected
