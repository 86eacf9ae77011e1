"""Journeys of a person with a text, a tokenizer, an LSTM and a sweep of their own, by what the README tells."""

import importlib
import re
import sys

import pytest

from scaling_harness.cli import main
from scaling_harness.models import registry

LSTM = """
from scaling_harness.models.architecture import Architecture


def lstm(config, vocab_size):
    d = config.d_model

    def build():
        from torch import nn

        class Lstm(nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding, self.head = nn.Embedding(vocab_size, d), nn.Linear(d, vocab_size, bias=False)
                self.cells = nn.LSTM(d, d, config.n_layer, batch_first=True, bias=False)

            def forward(self, tokens_BT):
                return self.head(self.cells(self.embedding(tokens_BT))[0])

        return Lstm()

    params = {"embedding": vocab_size * d, "mlp": config.n_layer * 8 * d * d, "head": vocab_size * d}
    return Architecture(params, 6.0 * (params["mlp"] + params["head"]), build)
"""

SWEEP = """# @package _global_
model: { n_ctx: 32 }
budget: { batch_tokens: 32 }
evaluation: { n_points: 4, n_tokens: 256, final_n_tokens: 512 }
sweep:
  name: novels
  question: Does it run?
  stack: 2
  grids:
    - shapes: [[1, 8], [1, 16]]
      budgets: { n_tokens: [640] }
      seeds: [0, 1]
"""


@pytest.fixture
def desk(tmp_path, corpus, monkeypatch, capsys):
    """A working directory with a folder of texts, a sweep and a model; gives what a command printed."""
    (tmp_path / "texts").mkdir()
    for i, document in enumerate(corpus.read_text().split("<|end|>")):
        (tmp_path / "texts" / f"{i}.txt").write_text(document)
    (tmp_path / "conf" / "sweep").mkdir(parents=True)
    (tmp_path / "conf" / "sweep" / "novels.yaml").write_text(SWEEP)
    (tmp_path / "my_lstm.py").write_text(LSTM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two edits of one second and one size read as one file

    def typed(command: list[str], code: int = 0) -> str:
        capsys.readouterr()
        found = main(command)
        said = capsys.readouterr()
        assert found == code, said.err
        return said.out + said.err

    return typed


TEXT = ["data=files", "data.path=texts", "data.valid_fraction=0.2"]
BPE = [*TEXT, "data.tokenizer={kind: bpe, vocab_size: 280}"]


def test_own_text_with_a_tokenizer_from_text_to_a_table(desk):
    assert re.search(r" 280 +60 ", desk(["data", "prepare", *BPE]))
    sweep = ["novels", "--config-dir", "conf", *BPE]
    plan = desk(["sweep", "plan", *sweep])
    assert "4 runs, 4 left to train" in plan
    assert "approach 2: no: 0 budgets with 4 sizes, it needs 3" in plan
    assert "all runs are finished: `scaling-harness report novels`" in desk(["sweep", "run", *sweep])
    assert "novels: 4 done" in desk(["sweep", "status", "novels"])
    assert desk(["table", "novels"]).count("-D640-") == 4
    assert "4 runs cannot fix the 5 parameters" in desk(["fit", "novels"], code=1)


def test_own_model_first_wrong_then_right(desk, tmp_path, monkeypatch):
    settings = ["model.target=my_lstm:lstm", "model.d_model=16", "model.n_layer=1", *TEXT]
    settings += ["model.n_ctx=32", "budget.batch_tokens=32", "budget.n_tokens=640", "evaluation.final_n_tokens=512"]
    (tmp_path / "my_lstm.py").write_text(LSTM.replace("8 * d", "9 * d"))
    said = desk(["train", *settings], code=2)
    assert "my_lstm:lstm has 10,240 parameters, its groups add up to 10,496" in said
    assert "correct the counts in its Architecture" in said
    assert not list((tmp_path / "runs" / "store").glob("*/record.json"))

    (tmp_path / "my_lstm.py").write_text(LSTM.replace("nn.LSTM(", "nn.LTSM("))
    forget(monkeypatch)
    line = 1 + LSTM[: LSTM.index("nn.LSTM(")].count("\n")
    assert f"has no attribute 'LTSM' (my_lstm.py, line {line})" in desk(["train", *settings], code=1)

    (tmp_path / "my_lstm.py").write_text(LSTM)
    forget(monkeypatch)
    said = desk(["train", *settings])
    assert "nats/token" in said
    assert "again" not in said or "because" in said


def forget(monkeypatch):
    """What a new process does: read the module anew."""
    monkeypatch.delitem(sys.modules, "my_lstm")
    importlib.invalidate_caches()
    registry._file_hash.cache_clear()
