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
        return report.outcome, "", ""  # the line below stands for the letter

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and not report.failed:
            return
        name, found = report.nodeid.partition("[")[2].rpartition("-")[0], dict(report.user_properties).get("finding")
        self.checks.append(
            {"check": name, "passed": report.passed, "wall_s": round(report.duration, 2), "found": found}
        )
        said = (
            "{measured:.3g}, allowed {allowed:.3g}: {what}".format(**found) if found else "no number: it failed before"
        )
        print(f"\n{'ok  ' if report.passed else 'FAIL'} {name:20} {report.duration:6.1f} s  {said}", end="")

    def pytest_sessionfinish(self):
        document = {
            "machine": json.loads(os.environ["GPU_CHECKS_MACHINE"]),
            "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "provenance": provenance(),
            "checks": self.checks,
        }
        Path(KEPT).write_text(json.dumps(document, indent=1))
        print()
