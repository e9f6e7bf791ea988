"""The corpus, and what every decoded value must stand."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from runs.payloads import Decoded, as_plain, as_tagged, outline, preview

KEY = bytes([7]) * 32
CORPUS = Path(__file__).parent / "corpus" / "corpus.tar.gz"


@dataclass(frozen=True)
class Case:
    sdk: str
    name: str
    data: bytes
    about: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.sdk}/{self.name}"


@cache
def corpus() -> tuple[Case, ...]:
    with tarfile.open(CORPUS) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    names = sorted(name.removesuffix(".bin") for name in files if name.endswith(".bin"))
    return tuple(
        Case(*name.split("/"), files[f"{name}.bin"], json.loads(files[f"{name}.json"])) for name in names
    )


def case(name: str) -> Case:
    return next(it for it in corpus() if str(it) == name)


def devl(*flat: Any) -> bytes:
    """A payload from the elements of its flat list."""
    return b"devl" + json.dumps(flat).encode()


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def stands_all_uses(decoded: Decoded) -> None:
    """Every form of a value can be made, stored as JSON and sent; its preview stays on one short line."""
    value = decoded.value
    json.dumps(as_tagged(value), allow_nan=False, ensure_ascii=False).encode()
    json.dumps(as_plain(value), allow_nan=False, ensure_ascii=False).encode()
    for limit in (0, 1, 7, 160):
        line = preview(value, limit)
        assert len(line) <= limit
        assert not any(char < " " or "\x7f" <= char <= "\x9f" for char in line)
        line.encode()
    for line in outline(value):
        assert "\n" not in line
        line.encode()
