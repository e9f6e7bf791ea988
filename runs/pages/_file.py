"""Answers that are no pages: bytes of a world as a file to keep, and pieces of a value for htmx."""

from __future__ import annotations

import re
from typing import TypeVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import content_disposition_header

R = TypeVar("R", bound=HttpResponseBase)
_unsafe = re.compile(r"[^A-Za-z0-9._-]")  # names come from the world too


def as_file(data: bytes, name: str) -> HttpResponse:
    return kept_as(HttpResponse(data, content_type="application/octet-stream"), name)


def kept_as(response: R, name: str) -> R:
    """The same answer as a file to keep, which no browser shows or guesses at."""
    response["Content-Disposition"] = content_disposition_header(True, _unsafe.sub("-", name))
    response["X-Content-Type-Options"] = "nosniff"
    return response


def as_piece(request: HttpRequest, context: dict[str, object]) -> HttpResponse:
    """One value in another form, in its place on the page that is open, whose address stays."""
    response = render(request, "runs/_value.html", context)
    response["HX-Push-Url"] = "false"
    return response
