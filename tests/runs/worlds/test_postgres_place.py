"""URLs of PostgreSQL worlds, and the clocks in their rows: pure, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.lib.clock import NS_PER_MS, NS_PER_S
from dashboard.lib.ulid import ulid_ms
from runs.worlds._postgres_clock import Clock, clock_of, version_ns
from runs.worlds._postgres_place import target_of
from runs.worlds.base import Place, WorldError
from runs.worlds.postgres import PostgresWorld, grants_sql

ID = "wevt_01M803RAAFM3MVGTAESKJ72HGC"
MINTED_NS = (ulid_ms(ID) or 0) * NS_PER_MS
HOUR_NS = 3600 * NS_PER_S


@pytest.mark.parametrize(
    ("given", "location", "name", "secret"),
    [
        ("postgres://u:p@db/app", "postgresql://u@db/app", "app", "p"),
        ("postgresql://DB.example:5432/app", "postgresql://db.example/app", "app", ""),
        ("postgres://u@h1:1,h2:2/app", "postgresql://u@h1:1,h2:2/app", "app", ""),
        ("postgres://[::1]:6000/app", "postgresql://[::1]:6000/app", "app", ""),
        ("postgres:///app?host=/run/pg", "postgresql:///app?host=%2Frun%2Fpg", "app", ""),
        ("postgres://u:a%40b%25@h/x?schema=flows", "postgresql://u@h/x?schema=flows", "x.flows", "a@b%"),
        ("postgres://u:50%@h/x", "postgresql://u@h/x", "x", "50%"),
        ("postgres://h/x?password=p&sslmode=require", "postgresql://h/x?sslmode=require", "x", "p"),
        ("postgres://h/x?application_name=me&schema=workflow", "postgresql://h/x", "x", ""),
        ("postgres://h/a%20b%3F", "postgresql://h/a%20b%3F", "a b?", ""),
    ],
)
def test_a_url_becomes_one_place_without_its_password(given, location, name, secret):
    assert PostgresWorld.parse(given) == Place(location, name, secret)
    assert PostgresWorld.parse(location) == Place(location, name, ""), "which is typed again"


@pytest.mark.parametrize(
    "given",
    ["postgres://u:hunter2@h:port/x", "postgres://u:hunter2@h:99999/x", "postgres://u:hunter2@h/x?nonsense=1",
     "postgres://u:hunter2@[::1/x", "postgres://u:hunter2%00@h/x", "postgres://u:hunter2@h/x?schema=",
     "postgres://h/x?sslpassword=hunter2", "postgres://u:hunter2@h/x?schema=" + "x" * 64],
)  # fmt: skip
def test_a_malformed_url_is_refused_in_words_without_its_password(given):
    with pytest.raises(WorldError) as refused:
        PostgresWorld.parse(given)
    assert refused.value.permanent and "hunter2" not in str(refused.value)


@pytest.mark.parametrize("given", ["mysql://u@h/x", "./postgres", "postgres", "vercel:team/app"])
def test_what_is_no_url_of_postgresql_is_left_to_others(given):
    assert PostgresWorld.parse(given) is None


def test_a_location_is_taken_apart_for_libpq_and_its_schema_kept_apart():
    target = target_of("postgresql://u@h:6000/x?schema=flows&sslmode=require")
    assert target.schema == "flows"
    assert target.parameters == {
        "user": "u",
        "host": "h",
        "port": "6000",
        "dbname": "x",
        "sslmode": "require",
    }


def test_the_grants_are_those_of_the_role_database_and_schema_named():
    text = grants_sql("postgresql://Reader@h/my-app?schema=flows")
    assert 'GRANT CONNECT ON DATABASE "my-app" TO "Reader";' in text
    assert 'GRANT SELECT ON ALL TABLES IN SCHEMA flows TO "Reader";' in text
    assert "GRANT USAGE ON SCHEMA workflow" not in text


def test_the_grants_are_those_of_the_documentation():
    page = Path(__file__).resolve().parents[3] / "docs" / "postgres.md"
    assert grants_sql("postgresql://tailrace@db.example/app") in page.read_text()


def test_a_zone_is_known_by_the_difference_of_times_and_ids():
    clock = clock_of([(ID, MINTED_NS - 5 * HOUR_NS + NS_PER_S)] * 10)
    assert clock.in_words() == "UTC-5"
    assert clock.created(ID, MINTED_NS - 5 * HOUR_NS + NS_PER_S) == MINTED_NS + NS_PER_S
    assert clock.created(ID, MINTED_NS - 4 * HOUR_NS) == MINTED_NS, "the other half of the year"


def test_late_rows_and_clocks_that_are_off_a_little_make_no_zone():
    clock = clock_of([(ID, MINTED_NS + late * NS_PER_S) for late in range(0, 300, 10)])
    assert clock == Clock() and clock.created(ID, MINTED_NS + 300 * NS_PER_S) == MINTED_NS + 300 * NS_PER_S


def test_sessions_of_several_zones_are_each_corrected_by_their_own():
    clock = clock_of([(ID, MINTED_NS)] * 5 + [(ID, MINTED_NS + 2 * HOUR_NS)] * 5)
    assert set(clock.quarters) == {0, 8}
    assert clock.created(ID, MINTED_NS) == clock.created(ID, MINTED_NS + 2 * HOUR_NS) == MINTED_NS
    assert clock_of([]) == Clock() and clock_of([("no id", 5), (ID, None)]) == Clock()


def test_versions_of_a_row_grow_with_how_far_it_has_come_though_no_time_does():
    steps = [("pending", 0), ("running", 1), ("pending", 1), ("running", 2), ("completed", 2)]
    versions = [version_ns((5_000_000,), status, attempt) for status, attempt in steps]
    assert versions == sorted(set(versions))
    assert version_ns((5_000_000, 6_000_000, None), "pending") > versions[-1]
