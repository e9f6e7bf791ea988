"""The sockets of a world and of all worlds: in which state they are, then when to look again."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.urls import path

from dashboard.lib import doorbell
from dashboard.worlds import manage
from runs.managed import state_of
from runs.models import World
from streams.consumers import WorldSocket
from streams.worlds_socket import WorldsSocket
from tests.factories import make_world

pytestmark = pytest.mark.django_db(transaction=True)
SITE = URLRouter(
    [path("ws/worlds/", WorldsSocket.as_asgi()), path("ws/w/<str:slug>/", WorldSocket.as_asgi())]
)


@pytest.fixture
async def opened():
    doorbell.use_loop(asyncio.get_running_loop())
    sockets = []

    async def open_one(where: str) -> WebsocketCommunicator:
        socket = WebsocketCommunicator(SITE, where)
        sockets.append(socket)
        connected, _ = await socket.connect()
        assert connected
        return socket

    yield open_one
    for socket in sockets:
        await socket.disconnect()
    doorbell.use_loop(None)


async def stored() -> list[World]:
    return [world async for world in World.objects.all()]


@pytest.mark.parametrize("where", ["/ws/w/app/", "/ws/worlds/"])
async def test_it_says_at_once_in_which_state_a_world_is_and_then_what_changes(opened, where):
    world = await sync_to_async(make_world)("app")
    rendered = state_of(await stored())
    socket = await opened(where)
    assert await socket.receive_json_from(timeout=10) == {"changed": False, "state": rendered}
    await sync_to_async(manage.pause)(world)
    told = await socket.receive_json_from(timeout=10)
    assert told == {"changed": True, "state": state_of(await stored())} and told["state"] != rendered


async def test_a_page_can_tell_what_it_missed_before_its_socket_was_open(opened):
    world = await sync_to_async(make_world)("app")
    rendered = state_of(world)
    await World.objects.filter(pk=world.pk).aupdate(generation=7)
    told = await (await opened("/ws/w/app/")).receive_json_from(timeout=10)
    assert told["state"] != rendered and not told["changed"]


async def test_what_was_never_rung_is_seen_too(opened):
    socket = await opened("/ws/worlds/")
    first = await socket.receive_json_from(timeout=10)
    await sync_to_async(make_world)("other")
    told = await socket.receive_json_from(timeout=20)
    assert told["changed"] and told["state"] != first["state"]


async def test_it_ends_with_its_world(opened):
    world = await sync_to_async(make_world)("app")
    socket = await opened("/ws/w/app/")
    await socket.receive_json_from(timeout=10)
    await World.objects.filter(pk=world.pk).adelete()
    await sync_to_async(doorbell.ring)(doorbell.world_group(world.pk), {"type": "world.changed"})
    assert await socket.receive_output(timeout=20) == {"type": "websocket.close", "code": 4404}


async def test_nobody_listens_to_a_world_that_is_not_there():
    connected, code = await WebsocketCommunicator(SITE, "/ws/w/none/").connect()
    assert not connected and code == 4404
