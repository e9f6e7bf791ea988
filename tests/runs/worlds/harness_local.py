"""Local worlds: one that is made file by file, and one that a real SDK wrote, part of which is held back."""

from __future__ import annotations

from pathlib import Path

from runs.worlds.local import LocalWorld
from tests.recordings import unpack
from tests.runs.worlds.conformance import Harness
from tests.runs.worlds.made_worlds import OTHER_RUN, STREAM, MadeWorld, chunk_name

OTHER = "strm_01M803X0000000000000000000_user"


class _Local(Harness):
    typed = ("./shop/.workflow-data", "/srv/a b/.next/workflow-data", "~/x")
    root: Path

    def adapter(self) -> LocalWorld:
        return LocalWorld(str(self.root))

    def chunk_ids(self) -> set[tuple[str, str]]:
        return set(self._paths())

    def _paths(self) -> dict[tuple[str, str], Path]:
        found = {}
        for path in (self.root / "streams" / "chunks").rglob("*.bin"):
            flat, _, number = path.stem.rpartition("-chnk_")
            key = (flat, f"chnk_{number}") if flat else (path.parent.name, path.stem)
            found[key] = path
        return found

    def run_ids(self) -> set[str]:
        return {path.stem for path in (self.root / "runs").glob("wrun_*.json")}

    def payload(self, stream: str, chunk_id: str) -> bytes:
        return self._paths()[stream, chunk_id].read_bytes()[1:]

    def vanish(self) -> None:
        self.root.rename(self.root.with_name("away"))

    def restore(self) -> None:
        self.root.with_name("away").rename(self.root)

    def snapshot(self) -> object:
        paths = sorted(self.root.rglob("*"))
        return [
            (str(one), one.stat().st_mtime_ns, one.read_bytes() if one.is_file() else b"") for one in paths
        ]


class LocalMade(_Local):
    def setup(self) -> None:
        self.root = self.folder / "shop"
        self.made = MadeWorld(self.root)
        self.made.run()
        self.made.run(OTHER_RUN)
        self.made.step()
        self.made.event()
        self.made.listed(STREAM, OTHER)
        for number in range(5):
            self.made.chunk(number)
            self.made.chunk(number, stream=OTHER)
        self.made.close(9, stream=OTHER)
        self.next = 10

    def append(self, count: int = 1) -> None:
        for _ in range(count):
            self.made.chunk(self.next)
            self.next += 1

    def hints_of(self, stream: str) -> frozenset[str]:
        return frozenset({str(self.root / "streams" / "chunks" / stream / f"{chunk_name(1)}.bin")})


class LocalRecorded(_Local):
    grows_far = False

    def setup(self) -> None:
        self.root = unpack("4.2.4", "probe-lat", self.folder)
        self.held = sorted(self._paths().values(), key=lambda path: path.stat().st_mtime_ns)[-8:]
        (self.folder / "held").mkdir()
        for path in self.held:
            path.rename(self.folder / "held" / path.name)

    def append(self, count: int = 1) -> None:
        for _ in range(count):
            path = self.held.pop(0)
            (self.folder / "held" / path.name).rename(path)

    def hints_of(self, stream: str) -> frozenset[str]:
        return frozenset(str(path) for (name, _), path in self._paths().items() if name == stream)
