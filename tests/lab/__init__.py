"""A small headless app of real workflows, run by the real Workflow SDK."""

from tests.lab.app import VERSIONS, LabApp, LabError, LabRun

__all__ = ["VERSIONS", "LabApp", "LabError", "LabRun"]
