from __future__ import annotations

from dashboard.proxy.outbox import Outbox


def record(called: float, **more: object) -> dict[str, object]:
    return {"type": "write", "called": called, **more}


def test_it_gives_the_oldest_first_in_batches_of_500():
    outbox = Outbox()
    for called in range(501):
        outbox.add(record(called))
    assert [one.at for one in outbox.take()] == list(range(500))
    assert len(outbox) == 1


def test_a_batch_is_bounded_in_bytes_but_never_empty():
    outbox = Outbox()
    for called in range(3):
        outbox.add(record(called, text="x" * 900_000))
    assert len(outbox.take()) == 1 and len(outbox) == 2


def test_too_many_drop_the_oldest_and_are_counted_with_their_time():
    outbox = Outbox(most=600)
    for called in range(601):
        outbox.add(record(called))
    assert len(outbox) == 101 and outbox.take()[0].at == 500
    assert outbox.dropped() == {
        "batches": 1,
        "records": 500,
        "spans": [{"from": 0, "to": 499, "records": 500}],
    }


def test_too_many_bytes_drop_the_oldest_too():
    outbox = Outbox(most_bytes=1_000)
    for called in range(10):
        outbox.add(record(called, text="x" * 300))
    assert 0 < len(outbox) < 4 and outbox.dropped()["records"] == 10 - len(outbox)


def test_nothing_is_dropped_while_there_is_room():
    outbox = Outbox()
    outbox.add(record(1))
    outbox.drop([])
    assert outbox.dropped() == {"batches": 0, "records": 0, "spans": []}
