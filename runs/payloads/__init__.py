"""Reads what the Workflow SDK stores: payloads, stream chunks and their envelopes. Never executes any."""

from runs.payloads.chunks import decode_chunk
from runs.payloads.crypto import RunKey, run_key
from runs.payloads.frames import FrameReader
from runs.payloads.handles import (
    Abort,
    ClassRef,
    Instance,
    Request,
    Response,
    Sealed,
    StepRef,
    StreamRef,
    WorkflowRef,
)
from runs.payloads.legacy import decode_json
from runs.payloads.model import ChunkValue, Decoded, Limits, Problem
from runs.payloads.outlines import outline
from runs.payloads.payload import decode, open_node
from runs.payloads.plain import as_plain
from runs.payloads.previews import preview
from runs.payloads.tagged import as_tagged
from runs.payloads.values import (
    HOLE,
    UNDEFINED,
    BigInt,
    Boxed,
    Cycle,
    Headers,
    Hole,
    Invalid,
    JsDate,
    JsError,
    JsMap,
    JsRegExp,
    JsSet,
    JsUrl,
    NullObject,
    SparseArray,
    Temporal,
    Truncated,
    TypedBytes,
    Undefined,
    Unknown,
    UrlSearchParams,
)

__all__ = [
    "HOLE",
    "UNDEFINED",
    "Abort",
    "BigInt",
    "Boxed",
    "ChunkValue",
    "ClassRef",
    "Cycle",
    "Decoded",
    "FrameReader",
    "Headers",
    "Hole",
    "Instance",
    "Invalid",
    "JsDate",
    "JsError",
    "JsMap",
    "JsRegExp",
    "JsSet",
    "JsUrl",
    "Limits",
    "NullObject",
    "Problem",
    "Request",
    "Response",
    "RunKey",
    "Sealed",
    "SparseArray",
    "StepRef",
    "StreamRef",
    "Temporal",
    "Truncated",
    "TypedBytes",
    "Undefined",
    "Unknown",
    "UrlSearchParams",
    "WorkflowRef",
    "as_plain",
    "as_tagged",
    "decode",
    "decode_chunk",
    "decode_json",
    "open_node",
    "outline",
    "preview",
    "run_key",
]
