from __future__ import annotations

from streams.tool_calls import ToolCalls, text_id
from tests.examples import values_of


def codes(calls: ToolCalls, line: str) -> list[str]:
    return [code for value in values_of(line) for code, _, _ in calls.feed(value)]


def test_it_follows_a_call_from_input_to_output():
    calls = ToolCalls()
    assert codes(calls, "tool-input-start(c) tool-input-delta(c)") == []
    assert list(calls.streaming) == ["c"]
    assert codes(calls, "tool-input-available(c) tool-output-available(c)") == []
    assert not calls.streaming


def test_it_keeps_calls_apart():
    calls = ToolCalls()
    assert codes(calls, "tool-input-available(c) tool-output-available(d)") == ["tool-output-without-input"]


def test_a_reset_drops_only_the_calls_of_its_step():
    calls = ToolCalls()
    codes(calls, "tool-input-available(c)")
    calls.start_step()
    codes(calls, "tool-input-start(d)")
    calls.reset_step()
    assert not calls.streaming
    assert codes(calls, "tool-output-available(c)") == []
    (problem,) = calls.feed(values_of("tool-output-available(d)")[0])
    assert problem[2] == {7}


def test_an_id_that_is_no_text_is_shown_as_it_is():
    assert text_id({"id": "t1"}, "id") == "t1"
    assert text_id({"id": 5}, "id") == "5"
    assert text_id({}, "id") == "None"
