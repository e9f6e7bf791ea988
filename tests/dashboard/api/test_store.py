"""Batches of many senders at once: each is stored, together where they wait, and a failure is told to each."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import OperationalError, connection

from dashboard.api import _store
from runs import tokens
from runs.models import InboxItem, ProbeToken
from tests.factories import make_world

pytestmark = pytest.mark.django_db(transaction=True)
SENDERS = 8


def item(world, number):
    return InboxItem(world=world, process="p", number=number, received_ns=number, body=b"{}")


def store_while_the_database_is_busy(items):
    """Each from a thread of its own, all of them in the queue before its turn comes; gives what they raised."""
    raised = []

    def one(item):
        try:
            _store.store(item, None)
        except OperationalError as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(item,)) for item in items]
    with _store._turn:
        for thread in threads:
            thread.start()
        until = time.monotonic() + 10
        while len(_store._queue) < len(items):
            assert time.monotonic() < until
            time.sleep(0.01)
    for thread in threads:
        thread.join(20)
    return raised


@pytest.fixture
def counted(monkeypatch):
    """Which numbers each statement stored."""
    statements = []
    original = InboxItem.objects.bulk_create

    def bulk_create(items, **options):
        statements.append([one.number for one in items])
        return original(items, **options)

    monkeypatch.setattr(InboxItem.objects, "bulk_create", bulk_create)
    return statements


def test_those_who_wait_are_stored_together(counted):
    world = make_world("shop")
    assert store_while_the_database_is_busy([item(world, at) for at in range(SENDERS)]) == []
    assert [sorted(numbers) for numbers in counted] == [list(range(SENDERS))]
    assert InboxItem.objects.count() == SENDERS


def test_the_same_batch_from_several_at_once_is_stored_once():
    world = make_world("shop")
    assert store_while_the_database_is_busy([item(world, 1) for _ in range(SENDERS)]) == []
    assert InboxItem.objects.count() == 1


def test_a_failure_is_told_to_each_and_the_next_is_stored(monkeypatch):
    world = make_world("shop")

    def fail(*_, **__):
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(InboxItem.objects, "bulk_create", fail)
        raised = store_while_the_database_is_busy([item(world, at) for at in range(SENDERS)])
    assert len(raised) == SENDERS
    assert not InboxItem.objects.exists()
    _store.store(item(world, 1), None)
    assert InboxItem.objects.count() == 1


def test_the_use_of_a_token_is_stored_with_its_batch():
    world = make_world("shop")
    token, _ = tokens.create(world, "laptop")
    _store.store(item(world, 1), token)
    assert ProbeToken.objects.get().last_used_ns is not None
