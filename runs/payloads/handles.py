"""What the Workflow SDK itself adds to JavaScript's values: references to its code, streams and hooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runs.payloads.values import text_or_none


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of a serializable class (`class//./file//Name`); Python's Decimal, UUID, ... too."""

    fields: dict[str, Any]

    @property
    def class_id(self) -> str | None:
        return text_or_none(self.fields.get("classId"))

    @property
    def class_name(self) -> str:
        return (self.class_id or "").rsplit("//", 1)[-1] or "Instance"

    @property
    def data(self) -> Any:
        return self.fields.get("data")


@dataclass(frozen=True, slots=True)
class ClassRef:
    fields: dict[str, Any]

    @property
    def class_id(self) -> str | None:
        return text_or_none(self.fields.get("classId"))


@dataclass(frozen=True, slots=True)
class StepRef:
    """A reference to a step function."""

    fields: dict[str, Any]

    @property
    def step_id(self) -> str | None:
        return text_or_none(self.fields.get("stepId"))

    @property
    def closure(self) -> Any:
        return self.fields.get("closureVars")


@dataclass(frozen=True, slots=True)
class WorkflowRef:
    """A reference to a workflow function."""

    fields: dict[str, Any]

    @property
    def workflow_id(self) -> str | None:
        return text_or_none(self.fields.get("workflowId"))


@dataclass(frozen=True, slots=True)
class StreamRef:
    """A stream handle. `kind` is ReadableStream, WritableStream or TransformStream."""

    kind: str
    fields: dict[str, Any]

    @property
    def name(self) -> str | None:
        return text_or_none(self.fields.get("name"))

    @property
    def type(self) -> str | None:
        """ "bytes" for a byte stream, None for a stream of values."""
        return text_or_none(self.fields.get("type"))

    @property
    def framing(self) -> str | None:
        """ "framed-v1" when the chunks of a byte stream carry length headers."""
        return text_or_none(self.fields.get("framing"))

    @property
    def run_id(self) -> str | None:
        return text_or_none(self.fields.get("runId"))


@dataclass(frozen=True, slots=True)
class Abort:
    """An AbortController or AbortSignal (`kind`)."""

    kind: str
    fields: dict[str, Any]

    @property
    def stream_name(self) -> str | None:
        return text_or_none(self.fields.get("streamName"))

    @property
    def hook_token(self) -> str | None:
        return text_or_none(self.fields.get("hookToken"))

    @property
    def aborted(self) -> bool:
        return self.fields.get("aborted") is True


@dataclass(frozen=True, slots=True)
class Request:
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted payload that was not opened.

    `size` is the size of what is inside, in bytes. `writer` is the ephemeral public key of an `encp`
    payload (base64): one writer session keeps one, so equal keys mean the same writer.
    """

    scheme: str
    size: int
    writer: str | None = None
