"""What was found before anomalies had a life: groups by step, their facts, and the state that all begin with."""

import hashlib

from django.db import migrations

_SEVERITIES = ("info", "warning", "error", "critical")
_CERTAINTIES = ("at_risk", "suspected", "proved")
_HOUR_NS = 3_600_000_000_000


def backfill(apps, schema_editor):
    finding = apps.get_model("anomalies", "Finding")
    anomaly = apps.get_model("anomalies", "Anomaly")
    for one in finding.objects.exclude(step_id="").exclude(run=None).select_related("anomaly").iterator():
        _move_to_step(apps, one)
    for one in anomaly.objects.iterator():
        _count(apps, one)


def _move_to_step(apps, finding):
    steps = apps.get_model("runs", "Step").objects.filter(run=finding.run_id, step_id=finding.step_id)
    name = steps.values_list("name", flat=True).first()
    old = finding.anomaly
    if not name or old.step_name == name:
        return
    text = "\n".join((old.kind, old.workflow, name, old.namespace))
    anomaly = apps.get_model("anomalies", "Anomaly")
    new, _ = anomaly.objects.get_or_create(
        world=old.world,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        defaults={
            "kind": old.kind,
            "workflow": old.workflow,
            "step_name": name,
            "namespace": old.namespace,
            "first_seen_ns": old.first_seen_ns,
            "last_seen_ns": old.last_seen_ns,
        },
    )
    apps.get_model("anomalies", "Finding").objects.filter(pk=finding.pk).update(anomaly=new)
    if not anomaly.objects.filter(pk=old.pk, findings__isnull=False).exists():
        anomaly.objects.filter(pk=old.pk).update(moved_to=new)


def _count(apps, anomaly):
    rows = apps.get_model("anomalies", "Finding").objects.filter(anomaly=anomaly)
    runs, streams, hours, places, message = set(), 0, {}, {}, ""
    severity = certainty = count = 0
    columns = (
        "severity",
        "certainty",
        "run",
        "stream",
        "found_ns",
        "message",
        "run__sdk_version",
        "run__deployment",
    )
    for worse, surer, run, stream, found, message, sdk, deployment in rows.order_by("found_ns").values_list(
        *columns
    ):
        count += 1
        runs |= {run} - {None}
        streams += stream is not None
        severity = max(severity, _SEVERITIES.index(worse) if worse in _SEVERITIES else 0)
        certainty = max(certainty, _CERTAINTIES.index(surer) if surer in _CERTAINTIES else 0)
        hours[found // _HOUR_NS] = hours.get(found // _HOUR_NS, 0) + 1
        for key in (("sdk", sdk), ("deployment", deployment)):
            if key[1]:
                first, _, times = places.get(key, (found, found, 0))
                places[key] = (first, found, times + 1)
    anomaly.count = anomaly.total = count
    anomaly.runs, anomaly.streams, anomaly.message = len(runs), streams, message
    anomaly.severity, anomaly.certainty = severity, certainty
    anomaly.state_ns = anomaly.first_seen_ns - 1
    anomaly.save()
    _store(apps, anomaly, hours, places)


def _store(apps, anomaly, hours, places):
    latest = sorted(hours)[-14 * 24 :]
    hour = apps.get_model("anomalies", "AnomalyHour")
    hour.objects.bulk_create(
        [hour(anomaly=anomaly, hour=at, count=hours[at]) for at in latest], batch_size=500
    )
    seen = apps.get_model("anomalies", "AnomalySeenIn")
    seen.objects.bulk_create(
        [
            seen(anomaly=anomaly, what=what, value=value, count=times, first_ns=first, last_ns=last)
            for (what, value), (first, last, times) in places.items()
        ],
        batch_size=500,
    )
    if anomaly.count:
        apps.get_model("anomalies", "AnomalyEvent").objects.create(
            anomaly=anomaly, at_ns=anomaly.first_seen_ns, who="Tailrace", what="opened"
        )


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0003_life_of_anomalies"),
    ]

    operations = [
        migrations.RunPython(backfill, migrations.RunPython.noop),
    ]
