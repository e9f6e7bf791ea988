from __future__ import annotations

import pytest

from dashboard.lib.redacted import without_credentials, without_password


@pytest.mark.parametrize(
    ("given", "shown", "with_user"),
    [
        ("postgres://ann:pw@db/app", "postgres://db/app", "postgres://ann@db/app"),
        ("postgres://ann@db/app", "postgres://db/app", "postgres://ann@db/app"),
        ("mysql://ann:p@ss/w?r#d@db/app", "mysql://db/app", "mysql://ann@db/app"),
        ("vercel:team/project?token=abc&url=x", "vercel:team/project?token=***&url=x", None),
        ("host=db password='p w' dbname=app", "host=db password=*** dbname=app", None),
    ],
)
def test_it_shows_an_address_without_what_lets_one_in(given, shown, with_user):
    assert without_credentials(given) == shown
    assert without_password(given) == (with_user or shown)


@pytest.mark.parametrize(
    "given", ["/srv/app/.workflow-data", "postgres://db:5432/app", "vercel:team/project"]
)
def test_it_leaves_all_else_as_it_is(given):
    assert without_credentials(given) == without_password(given) == given
