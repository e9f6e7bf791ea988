"""Any other service, by its Apprise URL, among them Pushover, Matrix, Mattermost, Rocket.Chat and Gotify."""

from __future__ import annotations

from typing import ClassVar

from dashboard.alerts.channels.base import Channel, Field, FieldError, Message, Values


class Apprise(Channel):
    kind: ClassVar[str] = "apprise"
    label: ClassVar[str] = "Another service (Apprise URL)"
    help: ClassVar[str] = (
        "Pushover, Matrix, Mattermost, Gotify and about a hundred more, each by a URL of Apprise."
    )
    fields: ClassVar[tuple[Field, ...]] = (
        Field("url", "Apprise URL", "secret", "For example pover://user@token or matrixs://…", required=True),
    )

    # Imported where it is used: kinds are listed whenever anything starts, and Apprise takes a quarter of a second.

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        from dashboard.alerts.channels import _apprise

        why = _apprise.why_not(secrets.get("url", "").strip())
        if why:
            raise FieldError("url", why)

    def send(self, message: Message) -> str:
        from dashboard.alerts.channels import _apprise

        return _apprise.send(self.value("url"), message)
