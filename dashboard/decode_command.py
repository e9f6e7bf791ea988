"""`tailrace decode`: shows what one stored payload or stream holds, and where it cannot be read."""

from __future__ import annotations

import argparse
import base64
import binascii
import json
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TextIO

from runs.payloads import (
    ChunkValue,
    Decoded,
    FrameReader,
    Limits,
    Problem,
    as_tagged,
    decode,
    decode_chunk,
    decode_json,
    outline,
    run_key,
)
from runs.payloads.envelope import TAGS
from runs.payloads.frames import HEADER, split

OK, NOT_OK, UNREADABLE, USAGE = 0, 1, 2, 64
KEY_BYTES = 32
LIMITS = Limits(depth=600, seconds=60.0)
DESCRIPTION = "Shows what one stored payload or stream holds, and where it cannot be read."
EPILOG = "Exit status: 0 read completely, 1 not, 2 the file cannot be read, 64 wrong usage."


class _Usage(Exception):
    """A command line that cannot be understood; the text says why."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Usage(message)


def decode_main(argv: list[str], stdin: BinaryIO, stdout: TextIO, stderr: TextIO) -> int:
    """Runs the command with the arguments after `decode`; returns the exit status."""
    parser = _parser()
    try:
        options = parser.parse_args(argv)
        if options.help:
            stdout.write(parser.format_help())
            return OK
        key = _key(options)
        if options.file is None:
            raise _Usage("which file? (- reads standard input)")
    except _Usage as error:
        stderr.write(f"{parser.format_usage()}tailrace decode: {error}\n")
        return USAGE
    try:
        data = stdin.read() if options.file == "-" else Path(options.file).read_bytes()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        stderr.write(f"tailrace decode: cannot read {options.file!r}: {reason}\n")
        return UNREADABLE
    if options.frames:
        return _show_stream(_stream(data, key), options.json, stdout)
    return _show(_payload(data, key), options.json, stdout)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("tailrace decode", description=DESCRIPTION, epilog=EPILOG, add_help=False)
    parser.add_argument("file", nargs="?", metavar="FILE", help="file with the stored bytes, - for stdin")
    parser.add_argument("--frames", action="store_true", help="FILE is a stream: frames, or one chunk file")
    parser.add_argument("--json", action="store_true", help="print status and value as JSON")
    parser.add_argument("--key", metavar="BASE64", help="the run's key, for encrypted payloads")
    parser.add_argument("--deployment-key", metavar="BASE64", help="derive the key, with --project and --run")
    parser.add_argument("--project", metavar="ID", help="the project's id")
    parser.add_argument("--run", metavar="ID", help="the run's id")
    parser.add_argument("-h", "--help", action="store_true", help="show this text")
    return parser


def _key(options: argparse.Namespace) -> bytes | None:
    parts = (options.deployment_key, options.project, options.run)
    if options.key is not None:
        if any(part is not None for part in parts):
            raise _Usage("give either --key or --deployment-key with --project and --run")
        return _key_bytes("--key", options.key)
    if all(part is None for part in parts):
        return None
    if None in parts:
        raise _Usage("--deployment-key, --project and --run belong together")
    return run_key(_key_bytes("--deployment-key", options.deployment_key), options.project, options.run)


def _key_bytes(option: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _Usage(f"{option} is not base64") from None
    if len(key) != KEY_BYTES:
        raise _Usage(f"{option} has {len(key)} bytes, it must have {KEY_BYTES}")
    return key


def _payload(data: bytes, key: bytes | None) -> Decoded:
    """Bytes with a tag, or the JSON that the first versions of the SDK stored instead."""
    decoded = decode(data, key=key, limits=LIMITS)
    if decoded.status != "unsupported":
        return decoded
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return decoded
    return decode_json(value, key=key, limits=LIMITS)


def _stream(data: bytes, key: bytes | None) -> ChunkValue:
    payload = data[1:] if _is_chunk_file(data) else data
    chunk = decode_chunk(payload, key=key, limits=LIMITS)
    reader = FrameReader()
    frames = reader.feed(payload) if chunk.kind == "framed-value" else []
    if len(frames) <= len(chunk.values):
        return chunk
    values = (*chunk.values, *(decode(it, key=key, limits=LIMITS) for it in frames[len(chunk.values) :]))
    return ChunkValue("framed-value", values, reader.problem)


def _is_chunk_file(data: bytes) -> bool:
    """Whether the first byte is the local world's end mark (0 or 1) and not part of a frame's length."""
    if data[:1] not in (b"\x00", b"\x01") or data[HEADER : 2 * HEADER] in TAGS:
        return False
    if data[1 : 1 + HEADER] in TAGS or data[1 + HEADER : 1 + 2 * HEADER] in TAGS:
        return True
    frames, used = split(data)
    return used < len(data) or not all(frames)


def _show(decoded: Decoded, as_json: bool, stdout: TextIO) -> int:
    if as_json:
        _print_json({"status": decoded.status, "value": as_tagged(decoded.value)}, decoded.problem, stdout)
    else:
        _print_value(decoded, stdout)
    return OK if decoded.status == "ok" else NOT_OK


def _show_stream(chunk: ChunkValue, as_json: bool, stdout: TextIO) -> int:
    status = next((it.status for it in chunk.values if it.status != "ok"), "ok")
    if status == "ok" and chunk.problem is not None:
        status = "corrupt"
    if as_json:
        values = [as_tagged(decoded.value) for decoded in chunk.values]
        _print_json({"status": status, "kind": chunk.kind, "values": values}, chunk.problem, stdout)
    else:
        for number, decoded in enumerate(chunk.values):
            stdout.write(f"--- {number}\n")
            _print_value(decoded, stdout)
        stdout.write(f"--- {chunk.kind}, values: {len(chunk.values)}, status: {status}\n")
        _print_problem(chunk.problem, stdout)
    return OK if status == "ok" else NOT_OK


def _print_json(result: dict[str, Any], problem: Problem | None, stdout: TextIO) -> None:
    if problem is not None:
        result["problem"] = {"layer": problem.layer, "offset": problem.offset, "reason": problem.reason}
    stdout.write(json.dumps(result, allow_nan=False) + "\n")


def _print_value(decoded: Decoded, stdout: TextIO) -> None:
    stdout.writelines(line + "\n" for line in outline(decoded.value))
    layers = " > ".join(decoded.layers) or "none"
    stdout.write(f"\nstatus: {decoded.status}\nlayers: {layers}\nsize: {decoded.size:,} bytes\n")
    _print_problem(decoded.problem, stdout)


def _print_problem(problem: Problem | None, stdout: TextIO) -> None:
    if problem is not None:
        stdout.write(f"problem: {problem.layer}, byte {problem.offset}: {problem.reason}\n")
        stdout.write(f"bytes around it: {problem.hex}\n" if problem.hex else "")
