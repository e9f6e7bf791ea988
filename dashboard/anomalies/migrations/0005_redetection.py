from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0004_facts_of_anomalies"),
    ]

    operations = [
        migrations.CreateModel(
            name="Redetection",
            fields=[
                ("subject", models.CharField(max_length=10, primary_key=True, serialize=False)),
                ("versions", models.JSONField(default=dict)),
                ("next_id", models.BigIntegerField(null=True)),
            ],
        ),
    ]
