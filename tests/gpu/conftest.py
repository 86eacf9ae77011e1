"""A line for each check, and all of them in one JSON file, if `make test-gpu` names one."""

import json
import os
import time
from pathlib import Path

from scaling_harness.record.provenance import provenance

KEPT = os.environ.get("GPU_CHECKS_JSON")


def pytest_configure(config):
    if KEPT:
        config.pluginmanager.register(_Lines(), "gpu-lines")


class _Lines:
    """Hooks of a run whose results are kept."""

    def __init__(self):
        self.checks = []

    def pytest_report_teststatus(self, report):
        # The line below stands for the letter. An empty category is not counted: a test is one, not its three phases.
        return report.outcome if _is_a_result(report) else "", "", ""

    def pytest_runtest_logreport(self, report):
        if not _is_a_result(report):
            return
        name, found = _name(report.nodeid), dict(report.user_properties).get("finding")
        self.checks.append(
            {
                "check": name,
                "passed": None if report.skipped else report.passed,
                "wall_s": round(report.duration, 2),
                "found": found,
            }
        )
        word = {"passed": "ok", "failed": "FAIL", "skipped": "skip"}[report.outcome]
        print(f"\n{word:4} {name:20} {report.duration:6.1f} s  {_said(report, found)}".rstrip(), end="")

    def pytest_sessionfinish(self):
        document = {
            "machine": json.loads(os.environ["GPU_CHECKS_MACHINE"]),
            "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "provenance": provenance(),
            "checks": self.checks,
        }
        Path(KEPT).write_text(json.dumps(document, indent=1))
        print()


def _is_a_result(report):
    """Whether a phase of a test says how the test went: its call, or what kept it from one."""
    return report.when == "call" or not report.passed


def _name(nodeid):
    """Name of a check without its device, or of another test as it is."""
    name = nodeid.rpartition("::")[2]
    return name.partition("[")[2].rpartition("-")[0] or name.removeprefix("test_").replace("_", " ")


def _said(report, found):
    if found:
        return "{measured:.3g}, allowed {allowed:.3g}: {what}".format(**found)
    if report.skipped:
        return report.longrepr[2].removeprefix("Skipped: ")
    return "" if report.passed else "no number: it failed before"
