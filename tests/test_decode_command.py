"""`tailrace decode`: what it prints, and its exit status."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dashboard.decode_command import decode_main
from runs.payloads import run_key
from tests.runs.payloads.cases import KEY, case, devl, frame

KEY_TEXT = base64.b64encode(KEY).decode()
DEPLOYMENT = base64.b64encode(bytes(range(32))).decode()


def run(*argv: str, stdin: bytes = b"") -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    status = decode_main(list(argv), io.BytesIO(stdin), out, err)
    return status, out.getvalue(), err.getvalue()


def as_json(*argv: str, stdin: bytes = b"") -> tuple[int, Any]:
    status, out, err = run("-", "--json", *argv, stdin=stdin)
    assert err == ""
    return status, json.loads(out)


def test_it_prints_the_value_and_the_report_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "payload"
    path.write_bytes(devl({"type": 1}, "text-delta"))
    assert run(str(path)) == (
        0,
        '{\n  type: "text-delta"\n}\n\nstatus: ok\nlayers: devl\nsize: 31 bytes\n',
        "",
    )


def test_it_says_which_layer_failed_and_at_which_byte() -> None:
    status, out, _ = run("-", stdin=b'devl[{"a":1},"hel')
    assert status == 1
    assert "status: corrupt\nlayers: devl\n" in out
    assert "problem: devl, byte 13: not JSON: Unterminated string starting at\n" in out
    assert "bytes around it: 64 65 76 6c 5b 7b 22 61 22 3a 31 7d 2c 22 68 65 6c\n" in out


def test_it_prints_json_in_the_tagged_form() -> None:
    assert as_json(stdin=devl(["BigInt", "1"])) == (
        0,
        {"status": "ok", "value": {"$": "bigint", "v": "1"}},
    )


@pytest.mark.parametrize(
    "name",
    [
        "4.8.9/misc_builtins",
        "4.8.9/legacy_v1_run_input",
        "4.8.9/legacy_v1_undefined",
        "4.8.9/deep_500",
        "5.0.0-beta.55/comp_big",
        "python-0.12.0/decimal_uuid",
    ],
)
def test_it_prints_what_the_sdk_stored(name: str) -> None:
    it = case(name)
    assert as_json(stdin=it.data) == (0, {"status": "ok", "value": it.about["expected"]})


def test_it_reports_what_it_could_not_read_as_json() -> None:
    status, result = as_json(stdin=devl([1], ["Date", 9]))
    assert (status, result["status"]) == (0, "ok")
    assert result["problem"] == {"layer": "devl", "offset": 10, "reason": "Date without text"}
    assert as_json(stdin=b"DEVL[1]")[1]["status"] == "unsupported"


def test_it_opens_encrypted_payloads_with_a_key() -> None:
    it = case("5.0.0-beta.55/encp_sealed")
    assert as_json(stdin=it.data)[0] == 1
    assert as_json("--key", KEY_TEXT, stdin=it.data) == (
        0,
        {"status": "ok", "value": it.about["expected"]},
    )


def test_it_derives_the_key_from_the_deployments_key() -> None:
    nonce = bytes(12)
    key = run_key(bytes(range(32)), "prj_1", "wrun_1")
    data = b"encr" + nonce + AESGCM(key).encrypt(nonce, devl("secret"), None)
    options = ("--deployment-key", DEPLOYMENT, "--project", "prj_1", "--run", "wrun_1")
    assert as_json(*options, stdin=data) == (0, {"status": "ok", "value": "secret"})


def test_it_reads_a_stream_of_frames() -> None:
    it = case("5.0.0-beta.55/stream_uimessage")
    status, result = as_json("--frames", stdin=it.data)
    assert status == 0
    assert (result["status"], result["kind"], result["values"]) == (
        "ok",
        "framed-value",
        it.about["expected"],
    )


@pytest.mark.parametrize("end", [b"\x00", b"\x01"])
def test_it_reads_one_chunk_file_of_a_local_world(end: bytes) -> None:
    assert as_json("--frames", stdin=end + frame(devl("x")))[1]["values"] == ["x"]
    assert as_json("--frames", stdin=end + devl("x"))[1]["values"] == ["x"]
    assert as_json("--frames", stdin=end) == (0, {"status": "ok", "kind": "empty", "values": []})
    raw = as_json("--frames", stdin=end + b"log")[1]
    assert (raw["kind"], raw["values"][0]["b64"]) == ("raw-bytes", base64.b64encode(b"log").decode())


def test_it_reads_every_frame_of_a_long_stream() -> None:
    status, result = as_json("--frames", stdin=frame(devl("x")) * 10_002)
    assert (status, result["status"], len(result["values"])) == (0, "ok", 10_002)


def test_it_reads_frames_of_bytes() -> None:
    result = as_json("--frames", stdin=case("4.8.9/stream_bytes_framed").data)[1]
    assert (result["kind"], len(result["values"])) == ("framed-bytes", 3)


def test_it_says_when_a_stream_ends_inside_a_frame() -> None:
    data = frame(devl("x")) + frame(devl("y"))[:8]
    status, result = as_json("--frames", stdin=data)
    assert (status, result["status"], result["values"]) == (1, "corrupt", ["x"])
    assert result["problem"]["offset"] == len(frame(devl("x")))
    status, out, _ = run("-", "--frames", stdin=data)
    assert status == 1
    assert out.startswith('--- 0\n"x"\n')
    assert "--- framed-value, values: 1, status: corrupt\nproblem: frame, byte 13: the frame has 4 of" in out


def test_it_fails_when_one_value_of_a_stream_fails() -> None:
    data = frame(devl("x")) + frame(b"devl[oops")
    assert as_json("--frames", stdin=data)[1]["status"] == "corrupt"


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "which file? (- reads standard input)"),
        (["-", "--nope"], "unrecognized arguments: --nope"),
        (["-", "--key", "?"], "--key is not base64"),
        (["-", "--key", "AAAA"], "--key has 3 bytes, it must have 32"),
        (["-", "--project", "p"], "--deployment-key, --project and --run belong together"),
        (
            ["-", "--key", KEY_TEXT, "--run", "r"],
            "give either --key or --deployment-key with --project and --run",
        ),
    ],
)
def test_it_explains_wrong_usage(argv: list[str], reason: str) -> None:
    status, out, err = run(*argv)
    assert (status, out) == (64, "")
    assert err.startswith("usage: tailrace decode ")
    assert err.endswith(f"tailrace decode: {reason}\n")


def test_it_prints_help() -> None:
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert "--deployment-key" in out


def test_it_says_in_one_sentence_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert run(missing) == (2, "", f"tailrace decode: cannot read {missing!r}: no such file or directory\n")
    assert run(str(tmp_path))[0] == 2
    assert run("a\0b")[0] == 2


def test_it_prints_no_control_characters_of_the_payload() -> None:
    out = run("-", stdin=devl({"\x1b[2J": 1}, "\x1b]0;title\x07\u202e"))[1]
    assert not any(char < " " and char != "\n" for char in out)
    assert "\u202e" not in out
