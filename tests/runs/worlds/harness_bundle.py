"""A bundle: the evidence of one stream in one file, which never grows."""

from __future__ import annotations

import hashlib

from runs.worlds.bundle import BundleWorld
from tests.runs.worlds.conformance import Harness
from tests.runs.worlds.test_bundle import RUN, STREAM, chunk, lines, made

TEXTS = (b"abc", b"x", b"the last")


def digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]


class Bundle(Harness):
    grows = watches = hints = False

    def setup(self) -> None:
        self.path = self.folder / "b.zip"
        records, whole = [], b""
        for number, text in enumerate(TEXTS, 1):
            place = {"member": "payloads/000000001.bin", "at": len(whole), "length": len(text)}
            records.append(chunk(number, payload=place, size=len(text), digest=digest(text)))
            whole += text
        made(
            self.path, {"payloads": True}, chunks__jsonl=lines(*records), **{"payloads/000000001__bin": whole}
        )

    def adapter(self) -> BundleWorld:
        return BundleWorld(str(self.path))

    def chunk_ids(self) -> set[tuple[str, str]]:
        return {(STREAM, f"chnk_{number:026d}") for number in range(1, len(TEXTS) + 1)}

    def run_ids(self) -> set[str]:
        return {RUN}

    def payload(self, stream: str, chunk_id: str) -> bytes:
        return TEXTS[int(chunk_id.removeprefix("chnk_")) - 1]

    def vanish(self) -> None:
        self.path.rename(self.folder / "away.zip")

    def restore(self) -> None:
        (self.folder / "away.zip").rename(self.path)

    def snapshot(self) -> object:
        return self.path.stat().st_mtime_ns, self.path.read_bytes()
