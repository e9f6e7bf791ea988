"""Reading order is the byte order of chunk ids; a database's language must have no say in it."""

from django.db import migrations


def bytewise(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute('ALTER TABLE streams_chunk ALTER COLUMN chunk_id TYPE varchar(255) COLLATE "C"')


class Migration(migrations.Migration):
    dependencies = [("streams", "0001_initial")]
    operations = [migrations.RunPython(bytewise, migrations.RunPython.noop)]
