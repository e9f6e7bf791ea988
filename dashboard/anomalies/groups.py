"""What findings of one anomaly have in common: its fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from runs.models import Step
from streams.models import Stream, Writer


@dataclass(frozen=True, slots=True)
class Group:
    """What findings of one anomaly have in common, beside their world. Versions and deployments are no part of it:
    an upgrade neither hides a regression nor loses a mute."""

    kind: str
    workflow: str = ""
    step_name: str = ""
    namespace: str = ""

    @property
    def fingerprint(self) -> str:
        text = "\n".join((self.kind, self.workflow, self.step_name, self.namespace))
        return hashlib.sha256(text.encode()).hexdigest()


def group_of_stream(stream: Stream, kind: str, step_id: str) -> Group:
    """Its run should come with the stream."""
    workflow = stream.run.workflow if stream.run else ""
    step_name = _step_name(stream.run_id, step_id)
    if step_id and not step_name:
        names = Writer.objects.filter(stream=stream, step_id=step_id).exclude(step_name="")
        step_name = names.values_list("step_name", flat=True).first() or ""
    return Group(kind, workflow, step_name, stream.name.partition("_user_")[2])


def group_of_run(run_id: int, workflow: str, kind: str, step_id: str) -> Group:
    return Group(kind, workflow, _step_name(run_id, step_id))


def _step_name(run_id: int | None, step_id: str) -> str:
    if not step_id or run_id is None:
        return ""
    steps = Step.objects.filter(run=run_id, step_id=step_id)
    return steps.values_list("name", flat=True).first() or ""
