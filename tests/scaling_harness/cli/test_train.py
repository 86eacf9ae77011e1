"""`train`: what it prints and how it ends."""

import pytest


def test_train_says_where_its_record_is(tiny, call, capsys):
    assert call("train", *tiny) == 0
    said = capsys.readouterr().out
    assert "nats/token" in said
    assert said.strip().endswith("record.json")


def test_a_diverged_run_is_a_result_and_exit_code_1(tiny, call, capsys):
    assert call("train", *tiny, "optim.lr=1e9", "optim.grad_clip=null", "budget.n_tokens=6400") == 1
    assert "diverged: the loss was" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["launcher=slurm"], "launcher=slurm is for the workers of a sweep"),
        (["launcher.gpus_per_run=2"], "launcher.gpus_per_run=2 is for the workers of a sweep"),
        (["hydra/launcher=joblib"], "give it to `python -m scaling_harness.train`"),
        (["hydra.sweeper.n_trials=3"], "give it to `python -m scaling_harness.train`"),
    ],
)
def test_what_would_be_passed_over_is_refused(tiny, call, capsys, tmp_path, words, sentence):
    assert call("train", *tiny, *words) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs" / "store").exists()
