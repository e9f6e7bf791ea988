"""How static/probe/tailrace-probe.cjs sends: a Tailrace that is away, slow, or says no never disturbs the app."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.probe.apps import TIMEOUT, app, command, environment
from tests.probe.intake import Intake, listening
from tests.processes import end

App = subprocess.Popen[str]


@pytest.fixture
def start() -> Iterator[Callable[..., App]]:
    started: list[App] = []

    def run(intake: Intake, scenario: str, **env: str) -> App:
        process = subprocess.Popen(
            command("app.cjs", scenario),
            env=environment(intake, **env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        end(process)


def finish(process: App) -> tuple[int, str]:
    """How many chunks the app wrote, and what it printed on stderr; it has to end well."""
    out, err = process.communicate(timeout=TIMEOUT)
    *_, said, done = out.splitlines()
    assert (process.returncode, done) == (0, '"done"'), err
    return json.loads(said)["written"], err


def numbers(intake: Intake) -> list[int]:
    """Each once: a batch whose answer the process did not live to see comes again among its last words."""
    return sorted({batch["number"] for batch in intake.batches})


def dropped(intake: Intake) -> int:
    """As the process counted them itself, so far."""
    return max(batch.get("dropped", {}).get("records", 0) for batch in [{}, *intake.batches])


def test_reports_arrive_while_the_app_runs(intake, start):
    process = start(intake, "steady")

    intake.wait_for(lambda intake: len(intake.of("write")) >= 20)
    assert process.poll() is None

    written, err = finish(process)
    assert (len(intake.of("write")), err) == (written, "")
    assert numbers(intake) == list(range(1, len(numbers(intake)) + 1))
    assert intake.most_at_once == 1
    assert {request["path"] for request in intake.requests} == {"/api/v1/probe"}


def test_it_reports_over_tls_to_whom_the_app_trusts(tmp_path):
    certificate = _certificate(tmp_path / "intake.pem")
    with listening(certificate) as intake:
        app(intake, "natural", NODE_EXTRA_CA_CERTS=str(certificate))
        assert len(intake.of("write")) == 1

        app(intake, "natural")
        assert len(intake.of("write")) == 1


def _certificate(file: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "intake")])
    today = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return file


def test_it_estimates_the_clock_of_tailrace(intake, start):
    intake.ahead_ms = 60_000
    process = start(intake, "steady")

    intake.wait_for(lambda intake: len(intake.batches) >= 3)
    finish(process)

    assert "clock" not in intake.batches[0]
    clock = intake.batches[2]["clock"]
    assert abs(clock["offset"] - 60_000) <= clock["rtt"] / 2 + 50


def test_nothing_is_lost_while_tailrace_restarts(intake, start):
    process = start(intake, "steady")
    intake.wait_for(lambda intake: intake.of("write"))

    intake.stop()
    seen = len(intake.batches)
    intake.start()
    intake.wait_for(lambda intake: len(intake.batches) > seen + 1)

    written, err = finish(process)
    assert (len(intake.of("write")), err) == (written, "")
    assert not any("dropped" in batch for batch in intake.batches)


@pytest.mark.parametrize(
    ("status", "headers"), [(429, {"Retry-After": "1"}), (503, {}), (500, {}), (404, {})]
)
def test_a_batch_that_is_to_come_later_comes_later_with_its_number(intake, start, status, headers):
    intake.answers = [(202, {}), (status, headers), (status, {})]
    process = start(intake, "steady")

    intake.wait_for(lambda intake: len(intake.batches) >= 3)
    written, err = finish(process)

    assert (len(intake.of("write")), err) == (written, "")
    assert numbers(intake) == list(range(1, len(numbers(intake)) + 1))
    assert [request["status"] for request in intake.requests[:4]] == ["202", str(status), str(status), "202"]


@pytest.mark.parametrize("status", [400, 413, 415])
def test_a_batch_that_is_refused_is_dropped_and_counted(intake, start, status):
    intake.answers = [(202, {}), (status, {})]
    process = start(intake, "steady")

    intake.wait_for(lambda intake: len(intake.batches) >= 3)
    written, err = finish(process)

    said = intake.batches[-1]["dropped"]
    assert (said["batches"], err) == (1, "")
    assert said["records"] == written - len(intake.of("write")) > 0
    (span,) = said["spans"]
    assert span["records"] == said["records"]
    assert span["from"] <= span["to"] < intake.batches[1]["records"][0]["called"]


@pytest.mark.parametrize("status", [401, 403])
def test_it_stops_when_it_may_not_report_and_says_so_once(intake, start, status):
    intake.answers = [(202, {}), (status, {})]
    process = start(intake, "steady")
    # The intake counts a request before it answers: only what the process says shows that it got the answer.
    said = process.stderr.readline()
    process.stdin.close()
    err = said + process.stderr.read()

    assert process.wait(TIMEOUT) == 0
    assert err.count("[tailrace]") == 1
    assert f"answered {status}" in err
    assert len(intake.requests) == 2


def test_it_says_so_when_the_address_is_none():
    assert "TAILRACE_URL=nonsense" in app(None, "natural", TAILRACE_URL="nonsense").stderr


def test_it_keeps_a_bounded_number_and_counts_what_it_drops(intake, start):
    intake.stop()
    process = start(intake, "flood", COUNT="45000")
    assert process.stdout is not None
    written = json.loads(process.stdout.readline())["written"]

    intake.start()
    intake.wait_for(lambda intake: dropped(intake) and dropped(intake) + len(intake.of("write")) == written)
    process.communicate(timeout=TIMEOUT)

    assert 5_000 < len(intake.of("write")) <= 20_500
    assert min(write["n"] for write in intake.of("write")) == dropped(intake) + 1
    assert all(len(batch["records"]) <= 500 for batch in intake.batches)
