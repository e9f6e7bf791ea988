"""What every kind of channel is, and the message that all of them carry.

One new kind is one new file in this folder with one subclass of `Channel`. A channel only sends or raises
`DeliveryError`; when to try again, and what is shown of it, is the caller's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

from django.utils.html import escape

from dashboard.lib import outbound
from dashboard.lib.registry import Registry

SEVERITIES = ("info", "warning", "error", "critical")
EVENTS = ("anomaly", "recovered", "digest", "absent", "present", "report", "test", "notice")
TITLE_LIMIT = 150

FieldKind = Literal["text", "url", "host", "secret", "number", "choice", "flag"]
Values = Mapping[str, str]


class DeliveryError(Exception):
    """A message could not be delivered; the text is one sentence that people may see, free of secrets.

    `permanent`: trying again will not help. `of_message`: for what this message says, so that the next one may be
    taken; always permanent. `retry_after_s`: how long the receiver asked to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        of_message: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent or of_message
        self.of_message = of_message
        self.retry_after_s = retry_after_s


class FieldError(ValueError):
    """A setting of a channel is not right; `field` is its name, the text says what it should be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a channel's settings form. A flag is "1" or empty; a choice is one of `choices`."""

    name: str
    label: str
    kind: FieldKind = "text"
    help: str = ""
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    placeholder: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told, once, to one channel. All of it is plain text from an untrusted world."""

    event: str
    key: str
    title: str
    severity: str = "info"
    lines: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    fix: str = ""
    url: str = ""
    at_ns: int = 0
    data: Mapping[str, object] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What the message is about, the same from the first alert to the recovery; services group by it."""
        return str(self.data.get("subject") or self.key)

    def text(self) -> str:
        """The plain body, without the title."""
        parts = ["\n".join(self.lines), "\n".join(f"{label}: {value}" for label, value in self.facts)]
        parts += [f"How to fix it: {self.fix}" if self.fix else "", self.url]
        return "\n\n".join(part for part in parts if part)

    def html(self) -> str:
        """The rich body, without the title: escaped, with no style but a table."""
        parts = [f"<p>{escape(line)}</p>" for line in self.lines]
        rows = "".join(
            f'<tr><th align="left">{escape(label)}</th><td>{escape(value)}</td></tr>'
            for label, value in self.facts
        )
        parts.append(f"<table>{rows}</table>" if rows else "")
        parts.append(f"<p><b>How to fix it:</b> {escape(self.fix)}</p>" if self.fix else "")
        if self.url.startswith(("http://", "https://")):
            parts.append(f'<p><a href="{escape(self.url)}">Open in Tailrace</a></p>')
        return "\n".join(part for part in parts if part)

    def as_json(self) -> dict[str, Any]:
        """For the outbox: what `from_json` reads again."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return values | {
            "lines": list(self.lines),
            "facts": [list(fact) for fact in self.facts],
            "data": dict(self.data),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Message:
        """Raises KeyError or TypeError for what `as_json` has not made."""
        known = {one.name: values[one.name] for one in fields(cls)}
        known["lines"] = tuple(str(line) for line in known["lines"])
        known["facts"] = tuple((str(label), str(value)) for label, value in known["facts"])
        return cls(**known)


class Channel(ABC):
    """One way to tell people. Made anew for each delivery, from checked settings and opened secrets."""

    kind: ClassVar[str]
    label: ClassVar[str]
    help: ClassVar[str]
    fields: ClassVar[tuple[Field, ...]] = ()

    def __init__(self, settings: Values, secrets: Values) -> None:
        self.settings, self.secrets = settings, secrets

    @abstractmethod
    def send(self, message: Message) -> str:
        """Deliver; returns the receiver's answer in one line. Raises DeliveryError and nothing else."""

    @classmethod
    def check(cls, settings: Values, secrets: Values) -> None:
        """Whether a channel can be saved like this: looks at values only. Raises FieldError, a ValueError."""
        for one in cls.fields:
            _check_field(one, cls._value(one, settings, secrets))
        cls.check_more(settings, secrets)

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        """What a kind wants beyond its fields' own rules. Raises FieldError."""
        return None

    @staticmethod
    def _value(one: Field, settings: Values, secrets: Values) -> str:
        return (secrets if one.kind == "secret" else settings).get(one.name, "").strip()

    def value(self, name: str) -> str:
        """A setting or a secret, or the field's default where it was left empty."""
        one = next(field for field in self.fields if field.name == name)
        return self._value(one, self.settings, self.secrets) or one.default


def _check_field(one: Field, value: str) -> None:
    if not value:
        if one.required:
            raise FieldError(one.name, "this is needed")
        return
    if any(ord(char) < 32 for char in value):
        raise FieldError(one.name, "a line break or control character cannot be part of it")
    if one.kind in _ADDRESSES:
        _check_address(one, value)
    if one.kind == "number" and not (value.isascii() and value.isdigit()):
        raise FieldError(one.name, "this must be a whole number")
    if one.kind == "choice" and value not in dict(one.choices):
        raise FieldError(one.name, "this must be one of " + ", ".join(dict(one.choices)))
    if one.kind == "flag" and value != "1":
        raise FieldError(one.name, "this is either on (1) or off (empty)")


def _check_address(one: Field, value: str) -> None:
    """Looks at the writing alone: where a name leads is known when something is sent."""
    if one.kind == "url" and not value.startswith(("http://", "https://")):
        raise FieldError(one.name, "this must be an address that begins with http:// or https://")
    try:
        _ADDRESSES[one.kind](value)
    except outbound.TargetRefused as error:
        raise FieldError(one.name, str(error)) from None


_ADDRESSES: Mapping[str, Callable[[str], None]] = {"url": outbound.check_url, "host": outbound.check_host}
CHANNELS: Registry[Channel] = Registry(Channel, "dashboard.alerts.channels")  # type: ignore[type-abstract]
