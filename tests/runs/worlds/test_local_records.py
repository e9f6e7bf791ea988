"""A record's fields: what is kept of them, and that an odd one harms no other."""

from __future__ import annotations

import pytest

from dashboard.lib.clock import parse_iso_ns
from runs.observations import EventSeen, HookSeen, RunSeen, StepSeen, Unreadable, WaitSeen
from runs.worlds._local_records import language_of, unwrapped
from tests.runs.worlds.made_worlds import CREATED, OLD_NS, RUN, STEP, MadeWorld, of, wrapped

CREATED_NS = parse_iso_ns(CREATED)


@pytest.fixture
def made(tmp_path):
    return MadeWorld(tmp_path)


def test_it_reads_a_run(made):
    made.run(
        status="failed",
        deploymentId="dpl_local@4.4.1",
        specVersion=3,
        executionContext={"workflowCoreVersion": "4.8.9"},
        startedAt=CREATED,
        completedAt=CREATED,
        expiredAt=CREATED,
        input=wrapped(b"devl[[]]"),
        output={"plain": 1},
        error=wrapped(b"devl[1]"),
        errorCode="USER_ERROR",
        attributes={"team": "a", "count": 2},
    )
    assert of(RunSeen, made.look()) == [
        RunSeen(
            RUN,
            "failed",
            "workflow//./a//b",
            OLD_NS,
            deployment="dpl_local@4.4.1",
            sdk_version="4.8.9",
            language="js",
            spec_version=3,
            created_ns=CREATED_NS,
            started_ns=CREATED_NS,
            completed_ns=CREATED_NS,
            expired_ns=CREATED_NS,
            input=b"devl[[]]",
            output=b'JSON{"plain": 1}',
            error=b"devl[1]",
            error_code="USER_ERROR",
            attributes={"team": "a", "count": 2},
        )
    ]


def test_it_reads_a_step_an_event_a_hook_and_a_wait(made):
    made.step(attempt=2, createdAt=CREATED, retryAfter=CREATED, error={"message": "no", "stack": "at x"})
    made.event(eventType="step_started", correlationId=STEP, eventData={"attempt": 2})
    made.hook(createdAt=CREATED, isWebhook=True, metadata=wrapped(b"devl[1]"))
    made.wait(status="completed", createdAt=CREATED, resumeAt=CREATED, completedAt=CREATED)
    step, hook, wait, event = made.look()
    assert step == StepSeen(
        RUN,
        STEP,
        "pending",
        "step//./a//c",
        OLD_NS,
        attempt=2,
        created_ns=CREATED_NS,
        retry_after_ns=CREATED_NS,
        error=b'JSON{"message": "no", "stack": "at x"}',
    )
    assert hook == HookSeen(
        RUN, "hook_1", "tok", OLD_NS + 2_000_000, created_ns=CREATED_NS, is_webhook=True, metadata=b"devl[1]"
    )
    assert wait == WaitSeen(
        RUN, "wait_1", "completed", OLD_NS + 3_000_000, CREATED_NS, CREATED_NS, CREATED_NS
    )
    assert event == EventSeen(
        RUN, f"evnt_{1:026d}", "step_started", OLD_NS + 1_000_000, STEP, CREATED_NS, b'JSON{"attempt": 2}'
    )


def test_it_reads_the_error_code_where_4_x_keeps_it(made):
    made.run(error={"message": "boom", "stack": "", "code": "USER_ERROR"})
    run = of(RunSeen, made.look())[0]
    assert run.error_code == "USER_ERROR"
    assert run.error == b'JSON{"message": "boom", "stack": "", "code": "USER_ERROR"}'


@pytest.mark.parametrize(
    "value", [[[1], {"a": 1}], -1, "text", False, [], {"__type": "Uint8Array", "data": 7}]
)
def test_it_keeps_values_of_the_first_spec_as_their_text(value, made):
    made.step(input=value)
    data = of(StepSeen, made.look())[0].input
    assert data is not None and data.startswith(b"JSON")


@pytest.mark.parametrize("data", ["AQI=", "AQI", "AQ I=\n"])
def test_it_reads_bytes_as_leniently_as_the_sdk_does(data):
    assert unwrapped({"__type": "Uint8Array", "data": data}) == b"\1\2"


@pytest.mark.parametrize("data", ["A", "é"])
def test_it_leaves_what_are_no_bytes_as_it_is(data):
    value = {"__type": "Uint8Array", "data": data}
    assert unwrapped(value) == value


@pytest.mark.parametrize(
    "odd", [None, 7, -(10**30), True, "x" * 10_000, [], [[]], {}, {"a": {"b": []}}, "\ud800\0"]
)
def test_it_reads_a_record_with_odd_fields(odd, made):
    run_fields = (
        "status workflowName deploymentId specVersion executionContext createdAt startedAt input error"
    )
    made.run(**dict.fromkeys(run_fields.split(), odd), attributes=odd, errorCode=odd, expiredAt=odd)
    made.step(**dict.fromkeys(["status", "stepName", "attempt", "retryAfter", "completedAt", "error"], odd))
    made.event(**dict.fromkeys(["eventType", "correlationId", "createdAt", "eventData"], odd))
    made.hook(**dict.fromkeys(["token", "createdAt", "isWebhook", "isSystem", "metadata"], odd))
    made.wait(**dict.fromkeys(["status", "createdAt", "resumeAt", "completedAt"], odd))
    found = made.look()
    assert [type(one) for one in found] == [RunSeen, StepSeen, HookSeen, WaitSeen, EventSeen]
    run, step, hook, _, event = found
    for text in (run.status, run.workflow, run.error_code, step.name, hook.token, event.correlation_id):
        assert len(text.encode()) <= 4_000 and "\0" not in text
    assert run.spec_version in (None, 7) and step.attempt in (None, 7)


@pytest.mark.parametrize("run_id", [None, 7, "", "../x", "a\nb", "x" * 300])
def test_it_does_not_take_a_hook_that_names_no_run(run_id, made):
    made.hook(runId=run_id)
    assert of(Unreadable, made.look())[0].reason == "it names no run"


@pytest.mark.parametrize("field", ["runId", "stepId"])
def test_it_does_not_take_a_copy_for_the_record(field, made):
    made.step(**{field: "step_01M803WSDCT2X0WFSWZSBS26VX"})
    assert of(Unreadable, made.look())[0].reason == f"its {field} is not the one in its name"


def test_it_takes_a_wait_only_by_its_own_id(made):
    made.wait(waitId="wait_1"), made.wait(wait_id="wait_2", waitId=f"{RUN}-wait_3")
    found = made.look()
    assert [wait.wait_id for wait in of(WaitSeen, found)] == ["wait_1"]
    assert of(Unreadable, found)[0].reason == "its waitId is not the one in its name"


def test_it_does_not_take_a_stream_list_without_a_list(made):
    made.put(f"streams/runs/{RUN}.json", {"streams": "strm_1"})
    assert of(Unreadable, made.look())[0].reason == "it holds no list of streams"


def test_it_keeps_attributes_flat(made):
    made.run(attributes={"a": {"b": [1]}, "c\0": "\ud800", "d": None})
    assert of(RunSeen, made.look())[0].attributes == {"a": '{"b": [1]}', "c\ufffd": "\ufffd", "d": None}


@pytest.mark.parametrize(
    ("workflow", "deployment", "language"),
    [
        ("workflow//app//fn", "", "python"),
        ("workflow//pkg.mod_1//Class.fn", "dpl_abc", "python"),
        ("workflow//app//fn", "dpl_local@4.4.1", "js"),
        ("workflow//./src/flows//fn", "", "js"),
        ("workflow//pkg@1.2.3//fn", "", "js"),
        ("workflow//flows.ts//fn", "", "js"),
        ("workflow//src/flows.ts//fn", "", "js"),
        ("fn", "", "js"),
        ("", "", ""),
    ],
)
def test_it_tells_the_language_by_the_workflows_name(workflow, deployment, language):
    assert language_of(workflow, deployment) == language
