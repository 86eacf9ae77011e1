"""`python -m scaling_harness.train`, the Hydra application; `cli/test_train.py` has the verb."""

import dataclasses
import math
import os
import shlex
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from yaml import safe_load

from scaling_harness import train
from scaling_harness.config.compose import CONF_DIR, hydra_overrides
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.record import write_record
from scaling_harness.record.store import Store


@pytest.fixture
def composed(tiny):
    """Compose as Hydra does for `main`."""

    def make(*overrides):
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            return compose("train", overrides=hydra_overrides([*tiny, *overrides]))

    return make


@pytest.fixture
def application(tmp_path):
    """Start the application as a user does; its exit code and its errors."""

    def run(*words):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "scaling_harness.train", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )
        return done.returncode, done.stderr

    return run


@pytest.fixture
def called(monkeypatch, capsys):
    """Run the application in this process."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["train", *words])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        try:
            code = train.application()
        except SystemExit as leaving:
            code = leaving.code
        return code, *capsys.readouterr()

    return run


def losses(tmp_path):
    store = Store(tmp_path / "runs")
    records = [store.read(path.parent.name) for path in (tmp_path / "runs" / "store").glob("*/record.json")]
    return {
        (record.config["model"]["d_model"], record.learning_rate): record.losses["valid"].loss_nats
        for record in records
        if record.losses
    }


def test_main_returns_the_final_loss(composed, tmp_path):
    assert train.main(composed("optim.lr=0.003")) == losses(tmp_path)[16, 0.003]


def test_main_returns_infinity_for_a_diverged_run(composed):
    assert train.main(composed("optim.lr=1e9", "optim.grad_clip=null", "budget.n_tokens=6400")) == math.inf


def test_a_run_that_failed_is_an_error_for_a_sweeper(composed, tmp_path):
    document = composed("optim.lr=0.003")
    train.main(document)
    store = Store(tmp_path / "runs")
    (path,) = (store.runs_dir / "store").glob("*/record.json")
    record = dataclasses.replace(store.read(path.parent.name), status="failed", reason="failed after 3 attempts: no")
    write_record(path.parent, record)
    with pytest.raises(HarnessError, match="failed after 3 attempts"):
        train.main(document)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sweep=reproduce-mini"], "sweep=reproduce-mini describes many runs"),
        (["launcher=slurm"], "start a sweep with `scaling-harness sweep run NAME launcher=slurm`"),
        (["launcher.gpus_per_run=4"], "launcher.gpus_per_run=4 is for the workers of a sweep"),
        (["launcher=local", "budget.batch_tokens=33"], "budget.batch_tokens 33 is not a whole number of contexts"),
        (["model.d_modle=3"], "did you mean model.d_model?"),
        (["model.d_model=16,32"], "add --multirun to your command line"),
    ],
)
def test_a_mistake_is_a_sentence_and_nothing_is_trained(tiny, tmp_path, called, words, sentence):
    code, _, error = called(*tiny, *words)
    assert code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert sentence in error
    assert not (tmp_path / "runs" / "store").exists()


def test_a_single_run_that_diverges_exits_with_1(tiny, called):
    code, out, error = called(*tiny, "optim.lr=1e9", "optim.grad_clip=null", "budget.n_tokens=6400")
    assert (code, error) == (1, "")
    assert "diverged: the loss was" in out


def test_of_several_runs_those_that_can_be_trained_are(tiny, tmp_path, called):
    code, out, error = called("-m", *tiny, "optim.grad_clip=null", "optim.lr=1e9,0.003", "budget.batch_tokens=33,64")
    assert code == 2
    assert "budget.batch_tokens 33 is not a whole number" in error
    assert "Traceback" not in error
    assert "diverged" in out
    assert list(losses(tmp_path)) == [(16, 0.003)]


README = CONF_DIR.parent / "sweeps" / "launchers" / "README.md"
COMMANDS = [line for line in README.read_text().splitlines() if line.startswith("python -m scaling_harness.train -m")]
ADDED = {"joblib": "hydra_joblib_launcher", "submitit": "hydra_submitit_launcher", "optuna": "hydra_optuna_sweeper"}


def told(name):
    """Overrides of the README's command for a launcher or sweeper."""
    (words,) = (shlex.split(line, comments=True)[4:] for line in COMMANDS if name in line)
    return words


def test_the_basic_launcher_trains_every_run(tiny, tmp_path, called, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, error = called("-m", *tiny, *told("d_model=16,32"))
    assert (code, error) == (0, "")
    assert out.count("nats/token") == 2
    assert len(losses(tmp_path)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]  # what Hydra writes is with the runs


@pytest.mark.parametrize("launcher", ["joblib", "submitit"])
def test_launchers_of_hydra_train_every_run(tiny, tmp_path, application, launcher):
    pytest.importorskip(f"hydra_plugins.{ADDED[launcher]}")
    code, error = application("-m", *tiny, *told(launcher))
    assert code == 0, error
    assert set(losses(tmp_path)) == {(16, 0.001), (16, 0.002)}
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_optuna_is_given_the_final_loss(tiny, tmp_path, application):
    pytest.importorskip(f"hydra_plugins.{ADDED['optuna']}")
    code, error = application("-m", *tiny, *told("optuna"), "hydra.sweeper.n_trials=3")
    assert code == 0, error
    best = safe_load((tmp_path / "runs" / "hydra" / "optimization_results.yaml").read_text())
    found = losses(tmp_path)
    assert len(found) == 3
    assert best["best_value"] == min(found.values())
    assert best["best_params"]["optim.lr"] == pytest.approx(min(found, key=lambda key: found[key])[1])


def test_a_launcher_that_changes_nothing_may_be_named(composed):
    document = OmegaConf.to_container(composed("launcher=local"), resolve=True)
    assert train.config_of_one_run(document).seed == 0
    with pytest.raises(UserError, match="launcher=slurm"):
        train.config_of_one_run({**document, "launcher": {"kind": "slurm"}})
