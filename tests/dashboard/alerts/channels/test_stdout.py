from __future__ import annotations

import dataclasses
import io
import json
import sys

import pytest

from dashboard.alerts.channels.base import DeliveryError
from dashboard.alerts.channels.stdout import Stdout
from dashboard.alerts.channels.webhook import body


def test_it_writes_one_line_of_json(capsys, message):
    assert Stdout({}, {}).send(dataclasses.replace(message, lines=("a\nb",))) == "1 line"
    written = capsys.readouterr().out
    assert written.count("\n") == 1 and written.endswith("\n")
    told = json.loads(written)
    assert told == {"tailrace": "alert", **body(message), "lines": ["a\nb"]}


def test_an_output_that_is_closed_is_a_failure_for_now(monkeypatch, message):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with pytest.raises(DeliveryError, match="standard output") as told:
        Stdout({}, {}).send(message)
    assert not told.value.permanent
