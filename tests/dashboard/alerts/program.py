"""Alerts in a process of its own, on a database of its own: to be killed, or to be one of several.

    python -m tests.dashboard.alerts.program WHAT FOLDER

Channels of kind `file` write each message's key and title to a file below FOLDER before they answer.
"""

# ruff: noqa: E402, T201

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import django

django.setup()

from django.core.management import call_command
from django.db import connection

from dashboard.alerts import deliver, outbox, route
from dashboard.alerts.channels.base import CHANNELS, Channel, Message
from dashboard.alerts.models import Alert, Delivery
from dashboard.alerts.outbox import Parcel
from dashboard.anomalies.models import Anomaly
from dashboard.lib.clock import now_ns
from dashboard.lib.database import write_transaction
from tests.dashboard.alerts.telling import NEVER, forget_first_rules, make_channel, make_rule, run, seen_once
from tests.factories import make_world

FOLDER = Path(sys.argv[2])
WITHIN_S = 30


class File(Channel):
    kind, label, help = "file", "File", "Writes to a file, and answers when it is let go."

    def send(self, message: Message) -> str:
        with (FOLDER / self.settings["name"]).open("a") as file:
            file.write(f"{message.key} {message.title}\n")
        until = time.monotonic() + WITHIN_S
        while self.settings.get("waits") and not (FOLDER / "go").exists() and time.monotonic() < until:
            time.sleep(0.01)
        return "written"


CHANNELS.found["file"] = File


def make_file_channel(name: str, **settings: str):
    return make_channel(name, kind="file", settings={"name": name} | settings)


def send_and_hang() -> None:
    """Stops in the middle of sending, for good as far as this process knows."""
    call_command("migrate", verbosity=0)
    forget_first_rules()
    outbox.put([Parcel(Message("anomaly", "", "Something"), (make_file_channel("one", waits="1"),))])
    deliver.work_off(deliver.due_channels()[0], NEVER)


def go_on() -> None:
    """The process after it. A claim of the dead one is not waited for: it is the only process of its database."""
    due_before = deliver.due_channels()
    deliver.release_claims()
    for _ in range(3):
        for channel_id in deliver.due_channels():
            deliver.work_off(channel_id, NEVER)
    row = Delivery.objects.get()
    print(
        json.dumps({"due_before": due_before, "state": row.state, "attempts": row.attempts, "key": row.key})
    )


def slow_and_quick() -> None:
    call_command("migrate", verbosity=0)
    forget_first_rules()
    for channel in (make_file_channel("slow", waits="1"), make_file_channel("quick")):
        outbox.put([Parcel(Message("anomaly", "", "Something"), (channel,))])
    threads = deliver.start(NEVER)
    _wait_for(lambda: not Delivery.objects.filter(state="waiting").exists())
    _wait_for(lambda: Delivery.objects.filter(state="sent").exists())
    early = sorted(Delivery.objects.values_list("channel__name", "state"))
    (FOLDER / "go").touch()
    for thread in threads:
        thread.join(WITHIN_S)
    late = sorted(Delivery.objects.values_list("channel__name", "state"))
    print(json.dumps({"early": early, "late": late}))


def many() -> None:
    """Ten thousand anomalies, and four that route at the same time while they come."""
    call_command("migrate", verbosity=0)
    forget_first_rules()
    channel, world = make_file_channel("many"), make_world("app")
    make_rule(channel)
    threads = [threading.Thread(target=_route_for_a_while) for _ in range(4)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    for first in range(0, 10_000, 1000):
        with write_transaction():
            seen_once(_anomaly(world, at) for at in range(first, first + 1000))
    for thread in threads:
        thread.join(WITHIN_S)
    run()
    took = time.monotonic() - began
    alerts = Alert.objects.count()
    Alert.objects.first().rule.__class__.objects.update(digest_due_ns=1)
    run()
    events = list(Delivery.objects.order_by("pk").values_list("event", "state"))
    digest = Delivery.objects.get(event="digest").message["data"]["digest"]
    print(json.dumps({"took": took, "alerts": alerts, "events": events, "held_back": digest["count"]}))


def _anomaly(world, at: int) -> Anomaly:
    now = now_ns()
    return Anomaly(
        world=world, kind="chunk_lost", workflow="chat", step_name=f"step {at}", count=1, total=1, severity=2,
        certainty=2, fingerprint=f"{at:064}", first_seen_ns=now, last_seen_ns=now,
    )  # fmt: skip


def _route_for_a_while() -> None:
    until = time.monotonic() + 4
    while time.monotonic() < until:
        route.route(NEVER)
        time.sleep(0.05)
    connection.close()


def _wait_for(is_so) -> None:
    until = time.monotonic() + WITHIN_S
    while not is_so() and time.monotonic() < until:
        time.sleep(0.02)


if __name__ == "__main__":
    {"send-and-hang": send_and_hang, "go-on": go_on, "slow-and-quick": slow_and_quick, "many": many}[
        sys.argv[1]
    ]()
