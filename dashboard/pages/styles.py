"""The stylesheets of a page as one answer."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse

from dashboard.lib.pages import page
from dashboard.lib.styles import sheet_of

MOST = 20
FOR_EVER = "public, max-age=31536000, immutable"


@page("static/styles/<str:names>.css", "styles")
def styles(request: HttpRequest, names: str) -> HttpResponse:
    wanted = names.split("+")
    sheet = sheet_of(wanted) if len(wanted) <= MOST else None
    if sheet is None:
        raise Http404("no such stylesheet")
    kept = FOR_EVER if request.GET.get("v") == sheet.version else "no-cache"
    return HttpResponse(sheet.css, content_type="text/css; charset=utf-8", headers={"Cache-Control": kept})
