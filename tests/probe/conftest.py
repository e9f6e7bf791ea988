from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.probe.intake import Intake, listening


@pytest.fixture
def intake() -> Iterator[Intake]:
    """What the probe reports to, for one test."""
    with listening() as intake:
        yield intake
