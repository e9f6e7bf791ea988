"""
| fixture | what it gives |
|---|---|
| `bare` | nothing of what a new database begins with: no rule, no channel |
| `nobody` | a client of someone who is signed in and is not the owner |
| `stranger` | a client of someone who is not signed in, where people have to |
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.dashboard.alerts.telling import forget_first_rules


@pytest.fixture
def bare(db):
    forget_first_rules()


@pytest.fixture
def nobody(db, settings):
    settings.SIGN_IN = True
    client = Client()
    client.force_login(User.objects.create_user("guest"))
    return client


@pytest.fixture
def stranger(db, settings):
    settings.SIGN_IN = True
    return Client()
