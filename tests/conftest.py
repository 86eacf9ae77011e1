"""Small configurations shared by the tests: a tiny corpus on disk, and runs of a second or less."""

import dataclasses
import functools
import os
import signal
import sys
from pathlib import Path

import pytest

os.environ["SCALING_HARNESS_POLL_S"] = "0.05"  # read when a module is first imported, here and in worker processes
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests run side by side

from scaling_harness.config.compose import compose, run_config
from scaling_harness.config.schema import RunConfig


@pytest.fixture(scope="session", autouse=True)
def interrupts():
    """A shell starts what it runs in the background deaf to SIGINT; the tests send it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_module_is_left(tmp_path_factory):
    """Forget the modules that a test wrote and imported: the next one may write another of the same name."""
    before = set(sys.modules)
    yield
    where = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(where):
            del sys.modules[name]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Sixty documents of text with some structure to learn, 120 kB."""
    path = tmp_path_factory.mktemp("corpus") / "tiny.txt"
    words = ("law", "scale", "token", "model", "loss", "budget", "run", "fit")
    documents = [
        " ".join(words[(i * i + k * (k + i) + k // 7) % len(words)] for k in range(400)) + "." for i in range(60)
    ]
    path.write_text("\n<|end|>\n".join(documents))
    return path


@pytest.fixture(scope="session")
def published_dir():
    root = os.environ.get("SCALING_HARNESS_DATA")
    if not root or not (Path(root) / "published").is_dir():
        pytest.skip("SCALING_HARNESS_DATA does not name a directory with published/*.csv")
    return Path(root) / "published"


@pytest.fixture
def tiny(corpus, tmp_path):
    """Overrides that make a run take well under a second."""
    return [
        "data=files",
        f"data.path={corpus}",
        'data.document_separator="<|end|>"',
        "data.valid_fraction=0.2",
        "data.test_fraction=0",
        "model.n_layer=1",
        "model.d_model=16",
        "model.n_ctx=32",
        "budget.batch_tokens=32",
        "budget.n_tokens=640",
        "evaluation.n_points=4",
        "evaluation.n_tokens=256",
        "evaluation.final_n_tokens=512",
        f"runtime.runs_dir={tmp_path / 'runs'}",
        f"runtime.data_dir={corpus.parent / 'tokens'}",
    ]


@functools.cache
def composed(overrides: tuple[str, ...]) -> RunConfig:
    """Compose once what many tests ask for: Hydra takes a quarter of a second, more than most of them."""
    return run_config(compose(overrides))


@pytest.fixture
def make_config(tiny):
    """Compose a tiny run with further overrides; where its runs go, which differs from test to test, is set after."""
    (where,) = (word for word in tiny if word.startswith("runtime.runs_dir="))
    rest = [word for word in tiny if word != where]

    def make(*overrides: str) -> RunConfig:
        config = composed((*rest, *overrides))
        if any(word.startswith("runtime.runs_dir=") for word in overrides):
            return config
        runtime = dataclasses.replace(config.runtime, runs_dir=where.partition("=")[2])
        return dataclasses.replace(config, runtime=runtime)

    return make


@pytest.fixture
def make_plan(make_config):
    """Resolve a tiny run with further overrides."""
    from sweeps.planning.expand import resolve_all

    def make(*overrides: str):
        return resolve_all([make_config(*overrides)])[0]

    return make


@pytest.fixture
def quiet():
    """Oversight that lets a run go on to its end."""

    class Quiet:
        def tick(self, step):
            pass

        def confirm(self):
            pass

    return Quiet()
