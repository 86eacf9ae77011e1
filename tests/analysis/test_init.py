import subprocess
import sys

import pytest

import analysis


def test_every_name_of_the_front_door_is_there_and_no_other():
    assert all(callable(getattr(analysis, name)) or getattr(analysis, name) for name in analysis.__all__)
    assert set(analysis.__all__) == set(analysis._MODULES)
    with pytest.raises(AttributeError, match="load_runs"):
        analysis.load_rums  # noqa: B018


def test_the_package_alone_imports_nothing_that_costs_time():
    heavy = "{'numpy', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, analysis; print({heavy})"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
