"""Links and places of a run's values."""

from __future__ import annotations

from django.urls import reverse

from runs import queries
from runs.models import Run
from runs.pages._place import Links, Place


def links_in(slug: str, run: Run | None) -> Links:
    """What values of this run may refer to."""
    if run is None:
        return Links(slug)
    return Links(slug, run.run_id, lambda name: queries.step_id_of(run.pk, name))


class Places:
    """The addresses of all values of one run, which share their links."""

    def __init__(self, slug: str, run: Run) -> None:
        self.path = reverse("value", args=[slug, run.run_id])
        self.links = links_in(slug, run)

    def of(self, name: str) -> Place:
        return Place(self.path, (("of", name),), self.links)
