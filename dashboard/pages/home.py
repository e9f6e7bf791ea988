"""The front door: straight to the runs of the only world, else all worlds, else what to do next."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from dashboard.lib.pages import page
from runs import queries


@page("", "home")
def home(request: HttpRequest) -> HttpResponse:
    worlds = queries.worlds()
    if len(worlds) == 1:
        return redirect("runs", slug=worlds[0].slug)
    return redirect("worlds") if worlds else render(request, "home.html")
