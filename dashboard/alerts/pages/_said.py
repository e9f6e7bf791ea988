"""What a page says of the action that led to it: a word of ours in the URL, never a text from it."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseRedirect


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    tone: str = "fine"
    icon: str = "ok"


_WORDS = {
    "saved": Said("Saved."),
    "created": Said("Created."),
    "deleted": Said("Deleted."),
    "on": Said("Switched on."),
    "off": Said("Switched off."),
    "again": Said("It is in the outbox again, with the same key as before."),
    "not-again": Said("That has gone out, or is about to: nothing was changed.", "wait", "clock"),
    "report": Said("A report of the last seven days is on its way; the log below says what came of it."),
    "gone": Said("It is no longer there: nothing was changed.", "wait", "clock"),
}


def said_in(request: HttpRequest) -> Said | None:
    return _WORDS.get(request.GET.get("said", ""))


def back_to(path: str, word: str) -> HttpResponseRedirect:
    """After a POST: reloading the page that follows does nothing again."""
    response = HttpResponseRedirect(f"{path}?said={word}")
    response.status_code = 303
    return response
