"""Whatever a table holds: runs and sentences, or one sentence; never a traceback, never a row lost in silence."""

import contextlib
import json

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.fit import fit
from analysis.runs.load import load_runs
from analysis.runs.selection import Selection
from scaling_harness.errors import HarnessError

NAMES = """N D C L U S loss Loss n params tokens flops status State state run_state run_id run Run Name name ID id seed
config.seed science recipe epochs fingerprint job_id trunk reason curve_path setting_id lr learning_rate train.lr
batch_tokens batch_size d_model n_layer n_ctx step _step Step wall_s spent_flops train_flops_matmul n_params_total
n_tokens loss_nats loss_stderr_nats vocab_size data_id config summary val/loss eval/ppl Unnamed:0 index tags notes
created_at""".split()  # noqa: SIM905
NAMES += [
    "run-a - loss",
    "run-b - loss",
    "run-a - loss__MAX",
    "Run ID",
    "loss, nats",
    "tokens (B)",
    "log(x)",
    "N*2",
    "",
]
WORDS = [
    "done",
    "FINISHED",
    "crashed",
    "weird",
    "",
    "a,b",
    "x;y",
    '"',
    "2020-01-01",
    "44M",
    "1,000",
    "3,5",
    "-",
    "1e400",
]


def values(rng, name, n):
    """A column as somebody may have written it."""
    kind = rng.integers(9) if rng.random() < 0.5 or name not in ("N", "D", "loss") else 0
    numbers = np.exp(rng.normal(3, 2, n)) if name.lower().endswith("loss") else 10 ** rng.uniform(5, 9, n)
    if kind < 4:
        return numbers.tolist()
    if kind == 4:
        return [float(x) if rng.random() < 0.7 else None for x in numbers]
    if kind == 5:
        return [f"{x / 1e6:.1f}M" if rng.random() < 0.8 else str(rng.choice(WORDS)) for x in numbers]
    if kind == 6:
        return [str(rng.choice(WORDS)) for _ in range(n)]
    if kind == 7:
        return [int(x) for x in rng.integers(-1, 3, n)]
    return [
        [True, None, 10**400, {"a": {"b": 1}, "seed": 2}, [1, "x"], {}, "x", 1.5][rng.integers(8)] for _ in range(n)
    ]


def write(rng, path, columns):
    frame = pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in columns.items()})
    if path.suffix in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep=str(rng.choice([",", ";", "\t"])))
        return
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text(json.dumps(rows) if path.suffix == ".json" else "\n".join(map(json.dumps, rows)))


def asked(rng, names):
    """What a user may write after --columns."""
    parts = [
        f"{letter}={rng.choice(names)}" for letter in ("N", "D", "loss", "run", "seed", "state") if rng.random() < 0.6
    ]
    return ",".join(parts) or None


@pytest.mark.parametrize("seed", range(40))
def test_a_table_is_understood_or_refused_in_a_sentence(tmp_path, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 14))
    picked = list(dict.fromkeys(str(name) for name in ["N", "D", "loss", *rng.choice(NAMES, 7)][rng.integers(3) :]))
    columns = {name: values(rng, name, n) for name in picked}
    path = tmp_path / f"t{rng.choice(['.csv', '.tsv', '.json', '.jsonl'])}"
    write(rng, path, columns)
    selection = Selection(best_of="loss" if rng.random() < 0.3 else None)
    try:
        runs = load_runs(path, selection, columns=asked(rng, picked))
    except HarnessError:
        return
    assert len(runs) + len(runs.dropped) == n or any("a chart of" in note for note in runs.notes)
    assert all(row["reason"] for row in runs.dropped)
    assert "L" in runs.columns
    with contextlib.suppress(HarnessError):
        fit("chinchilla", runs, resamples=0)
