from __future__ import annotations

import pytest

from dashboard.proxy import sender as module
from dashboard.proxy.outbox import Outbox
from dashboard.proxy.sender import Answer, Destination, Sender
from tests.dashboard.proxy.backend import until

TAKEN = Answer(202, body={"received": 0.0, "answered": 0.0})


class Tailrace:
    """Answers in turn; the last answer stays."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.batches = list(answers), []

    def post(self, to: Destination, body: bytes, within: float) -> Answer:
        import json

        self.batches.append(json.loads(body))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def calls(self) -> list[float]:
        return [record["called"] for batch in self.batches for record in batch["records"]]


@pytest.fixture
def start(monkeypatch):
    started: list[Sender] = []

    def begin(tailrace: Tailrace, *calls: float, **to: str) -> tuple[Sender, Outbox, list[str]]:
        monkeypatch.setattr(module, "post", tailrace.post)
        monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
        monkeypatch.setattr(module, "RETRY_FIRST", 0.01)
        outbox, said = Outbox(), []
        for called in calls:
            outbox.add({"type": "write", "called": called})
        sender = Sender(Destination("http://x", **to), "p1", {"language": "proxy"}, outbox, said.append)
        sender.start()
        started.append(sender)
        return sender, outbox, said

    yield begin
    for sender in started:
        sender._task.cancel()


async def test_it_sends_what_waits_and_numbers_the_batches(start):
    tailrace = Tailrace(TAKEN)
    _, outbox, said = start(tailrace, 1.0, 2.0, world="shop")
    await until(lambda: tailrace.calls() == [1.0, 2.0])
    outbox.add({"type": "write", "called": 3.0})
    await until(lambda: len(tailrace.batches) == 2)
    first, second = tailrace.batches
    assert (first["v"], first["process"], first["number"], second["number"]) == (1, "p1", 1, 2)
    assert first["world"] == "shop" and first["app"] == {"language": "proxy"} and first["ending"] is False
    assert "clock" not in first and second["clock"]["offset"] < 0
    assert said == []


async def test_a_token_names_the_world_itself(start):
    tailrace = Tailrace(TAKEN)
    start(tailrace, 1.0, world="shop", token="t")
    await until(lambda: tailrace.batches)
    assert "world" not in tailrace.batches[0]


async def test_what_was_not_taken_is_sent_again_under_the_same_number_and_said_once(start):
    tailrace = Tailrace(Answer(0), Answer(503), Answer(429, "0"), TAKEN)
    _, _, said = start(tailrace, 1.0)
    await until(lambda: len(tailrace.batches) == 4)
    assert {batch["number"] for batch in tailrace.batches} == {1} and tailrace.calls() == [1.0] * 4
    await until(lambda: len(said) == 2)
    assert "does not answer" in said[0] and "answers again" in said[1]


async def test_what_cannot_be_read_is_dropped_and_counted(start):
    tailrace = Tailrace(Answer(400), TAKEN)
    _, outbox, _ = start(tailrace, 1.0)
    await until(lambda: tailrace.batches)
    outbox.add({"type": "write", "called": 2.0})
    await until(lambda: len(tailrace.batches) == 2)
    assert tailrace.batches[1]["dropped"]["records"] == 1 and tailrace.batches[1]["number"] == 2


async def test_a_refusal_ends_the_reports_and_keeps_nothing(start):
    tailrace = Tailrace(Answer(403, body={"error": "revoked"}))
    sender, outbox, said = start(tailrace, 1.0)
    await until(lambda: sender.stopped)
    outbox.add({"type": "write", "called": 2.0})
    await until(lambda: not len(outbox))
    await sender.end()
    assert len(tailrace.batches) == 1 and "revoked" in said[0]


async def test_the_end_sends_what_is_left_and_says_so(start):
    tailrace = Tailrace(TAKEN)
    sender, outbox, _ = start(tailrace)
    await until(lambda: tailrace.batches)
    outbox.add({"type": "write", "called": 1.0})
    await sender.end()
    assert [batch["ending"] for batch in tailrace.batches].count(True) == 1
    assert tailrace.calls() == [1.0] and tailrace.batches[-1]["ending"] is True
