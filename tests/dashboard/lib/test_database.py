from __future__ import annotations

import threading
import time

import pytest

from dashboard.lib.database import Queue, clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("é", "é"), ("a\x00b", "a␀b"), ("\ud800", "?"), ("x" * 20, "x" * 9 + "…"), (5, "5")],
)
def test_it_makes_text_that_every_database_and_page_can_hold(text, expected):
    assert clean(text, 10) == expected


def test_threads_write_in_the_order_in_which_they_asked():
    queue, order = Queue(), []

    def write(number: int) -> None:
        with queue, queue:  # the holder may take it again
            order.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    with queue:
        for thread in threads:
            asked = len(queue._waiting)
            thread.start()
            wait_until(lambda asked=asked: len(queue._waiting) == asked + 1)
    for thread in threads:
        thread.join(10)
    assert order == list(range(20))


def test_only_one_thread_writes_at_a_time():
    queue, inside, most = Queue(), [], []

    def write() -> None:
        for _ in range(200):
            with queue:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 800 and max(most) == 1


def test_a_thread_that_is_interrupted_gives_up_its_turn(monkeypatch):
    queue = Queue()
    waiting = threading.Thread(target=lambda: queue.__enter__() or queue.__exit__())
    with queue:
        queue._waiting.append(interrupted := threading.Event())
        waiting.start()
        wait_until(lambda: len(queue._waiting) == 2)
        queue._give_up(interrupted)
    waiting.join(10)
    assert not waiting.is_alive()
    queue._holder = -1
    queue._give_up(interrupted)  # its turn had come just before the interrupt
    with queue:
        pass


def wait_until(holds) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.001)
