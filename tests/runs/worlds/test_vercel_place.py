from __future__ import annotations

import pytest

from runs.worlds._vercel_place import BASE, place_in, target_of
from runs.worlds.base import Place, WorldError, place_of


@pytest.mark.parametrize(
    ("given", "location"),
    [
        ("vercel:acme/shop", "vercel:acme/shop"),
        ("vercel://acme/shop/", "vercel:acme/shop"),
        ("VERCEL:team_1/prj_2", "vercel:team_1/prj_2"),
        ("vercel:acme/shop?environment=production&budget=120", "vercel:acme/shop"),
        ("vercel:acme/shop?environment=preview", "vercel:acme/shop?environment=preview"),
        (
            "vercel:acme/shop?url=https://API.example.com/v1/",
            "vercel:acme/shop?url=https://api.example.com/v1",
        ),
        ("vercel:acme/shop?runs=5&url=http://127.0.0.1:8", "vercel:acme/shop?url=http://127.0.0.1:8&runs=5"),
        ("vercel:a/b?url=http://backend:8&insecure=yes", "vercel:a/b?url=http://backend:8&insecure=yes"),
    ],
)
def test_one_project_has_one_location_however_it_is_typed(given, location):
    assert place_of(given) == ("vercel", Place(location, location.partition("?")[0].rpartition("/")[2]))
    assert target_of(location).location == location


def test_a_token_that_is_typed_is_taken_out():
    place = place_in("vercel:acme/shop?token=tok_123&environment=preview")
    assert place == Place("vercel:acme/shop?environment=preview", "shop", "tok_123")


def test_what_is_not_given_is_as_the_sdks_own_tools_have_it():
    target = target_of("vercel:acme/shop")
    assert (target.base, target.environment, target.budget, target.runs) == (BASE, "production", 120, 200)


@pytest.mark.parametrize("given", ["./vercel", "postgres://vercel/x", "vercel", "/srv/vercel:a/b"])
def test_what_names_another_kind_of_world_is_left_to_it(given):
    assert place_in(given) is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("vercel:", "is named vercel:team/project"),
        ("vercel:shop", "is named vercel:team/project"),
        ("vercel:acme/shop/x", "is named"),
        ("vercel:acme/sh op", "is named"),
        ("vercel:../shop", "is named"),
        ("vercel:acme/shop?enviroment=preview", "has no 'enviroment'"),
        ("vercel:acme/shop?environment=a%20b", "an environment is called"),
        ("vercel:acme/shop?budget=fast", "budget is a whole number"),
        ("vercel:acme/shop?budget=1", "budget is a whole number from 10"),
        ("vercel:acme/shop?runs=-1", "runs is a whole number"),
        ("vercel:acme/shop?url=http://backend:8", "must be https://"),
        ("vercel:acme/shop?url=ftp://127.0.0.1", "must be https://"),
        ("vercel:acme/shop?url=https://user:pass@host", "without a user"),
        ("vercel:acme/shop?url=https://host/%3Fa=b?x", "without a user, a query"),
        ("vercel:acme/shop?url=https://[::1", "not well formed"),
        ("vercel:acme/shop?url=https://", "plain https://"),
    ],
)
def test_what_is_wrong_is_said(given, reason):
    with pytest.raises(WorldError, match=reason) as told:
        place_in(given)
    assert told.value.permanent


def test_no_error_quotes_a_token():
    with pytest.raises(WorldError) as told:
        place_in("vercel:acme?token=tok_123")
    assert "tok_123" not in str(told.value)
