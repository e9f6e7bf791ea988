"""A small headless app of real workflows, run by the real Workflow SDK."""

from tests.lab.app import ALL_VERSIONS, VERSIONS, LabApp, LabError, LabRun

__all__ = ["ALL_VERSIONS", "VERSIONS", "LabApp", "LabError", "LabRun"]
