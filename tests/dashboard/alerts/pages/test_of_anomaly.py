from __future__ import annotations

import pytest

from tests.dashboard.alerts.telling import make_channel, make_rule, run
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare", "counting")]


def piece(client, anomaly_id):
    return client.get(f"/alerts/of-anomaly/{anomaly_id}/").content.decode()


def test_it_says_who_was_told_and_leads_to_a_rule_for_it(client):
    make_rule(make_channel("Ops <b>"))
    anomaly = find(make_stream_of(make_run(make_world("app"))), "chunk_lost").anomaly
    run()
    html = piece(client, anomaly.pk)
    assert "Ops &lt;b&gt;" in html and "Chunk lost in chatTurn" in html and "sent" in html
    assert f'href="/alerts/rules/new/?anomaly={anomaly.pk}"' in html


def test_it_says_that_nobody_was_told_and_another_anomaly_is_not_mixed_in(client):
    make_rule(make_channel("Ops"), kinds=["never_closed"])
    world = make_world("app")
    quiet = find(make_stream_of(make_run(world)), "chunk_lost").anomaly
    find(make_stream_of(make_run(world)), "never_closed", severity="info")
    run()
    assert "Nobody was told of it." in piece(client, quiet.pk) and "Ops" not in piece(client, quiet.pk)
    assert client.get("/alerts/of-anomaly/999999/").status_code == 404
