"""A sensible set to begin with: what went wrong is told within the dashboard, and nowhere else until someone says so.

The cursor begins here too: what was found before alerts were there is no news.
"""

import time

from django.db import migrations

WARNING, CRITICAL = 1, 3
SUSPECTED, PROVED = 1, 2


def make_first_rules(apps, schema_editor):
    now = time.time_ns()
    apps.get_model("alerts", "Routing").objects.get_or_create(pk=1, defaults={"since_ns": now})
    rules = apps.get_model("alerts", "AlertRule").objects
    if rules.exists():
        return
    channel = apps.get_model("alerts", "AlertChannel").objects.create(
        kind="browser", name="In this dashboard", created_ns=now
    )
    proved = rules.create(
        name="Something proved went wrong", created_ns=now, min_severity=WARNING, min_certainty=PROVED,
        triggers=["first_time", "regressed"],
    )
    critical = rules.create(
        name="Something critical, even if only suspected", created_ns=now, min_severity=CRITICAL,
        min_certainty=SUSPECTED, triggers=["first_time", "regressed"],
    )
    for rule in (proved, critical):
        rule.channels.add(channel)


class Migration(migrations.Migration):

    dependencies = [("alerts", "0001_alerts")]

    operations = [migrations.RunPython(make_first_rules, migrations.RunPython.noop)]
