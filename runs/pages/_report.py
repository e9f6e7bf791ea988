"""How a value was read: layer by layer, to its end or to the byte at which one failed."""

from __future__ import annotations

from dataclasses import dataclass

from runs.payloads import Decoded, Problem, Sealed

_LAYERS = {
    "encr": "encrypted with the run's key (AES-GCM)",
    "encp": "encrypted for the deployment (X25519)",
    "gzip": "compressed with gzip",
    "zstd": "compressed with Zstandard",
    "devl": "devalue text",
    "json": "plain JSON",
    "raw": "bytes of a byte stream",
}


@dataclass(frozen=True, slots=True)
class Layer:
    name: str
    about: str
    state: str  # read, failed, sealed


@dataclass(frozen=True, slots=True)
class Report:
    status: str
    layers: tuple[Layer, ...]
    size: int
    problem: Problem | None
    is_partial: bool  # nothing is wrong, it is only large: the rest opens part by part
    sealed: Sealed | None

    @property
    def reason(self) -> str:
        return self.problem.reason if self.problem else ""

    @property
    def trouble(self) -> str:
        """What to tell a reader who has not asked; empty while all is well, and for what has no key here."""
        if self.is_partial or self.sealed is not None:
            return ""
        return self.reason or ("" if self.status == "ok" else self.status)

    @property
    def chain(self) -> str:
        return " › ".join(layer.name for layer in self.layers) or "no known layer"


def report_of(decoded: Decoded) -> Report:
    problem = decoded.problem
    is_partial = decoded.status == "truncated" and problem is not None and problem.layer in ("devl", "json")
    # With a key that does not open it the value is sealed too, but then there is something to tell.
    no_key = isinstance(decoded.value, Sealed) and decoded.status == "encrypted"
    sealed = decoded.value if no_key else None
    failed = "" if problem is None or is_partial or decoded.status == "ok" else problem.layer
    layers = tuple(_layer(name, failed, sealed) for name in decoded.layers)
    return Report(decoded.status, layers, decoded.size, problem, is_partial, sealed)


def _layer(name: str, failed: str, sealed: Sealed | None) -> Layer:
    state = "sealed" if sealed and name == failed else "failed" if name == failed else "read"
    return Layer(name, _LAYERS.get(name, ""), state)
