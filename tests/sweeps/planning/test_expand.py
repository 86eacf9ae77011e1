import json
import math
import re

import numpy as np
import pytest

from scaling_harness.cli import main
from scaling_harness.config.compose import CONF_DIR, compose, run_config
from scaling_harness.config.schema import TextData
from scaling_harness.data.prepare import prepare
from scaling_harness.data.token_cache import DataInfo
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.plan.scale_rules import n_layer
from sweeps.planning.expand import expand
from sweeps.planning.manifest import Manifest, merge_jobs, read_manifest, write_manifest
from sweeps.planning.plan_sweep import plan_sweep
from sweeps.planning.plan_table import plan_rows
from sweeps.planning.planned_sweep import read_planned_sweep

GRID = {"shapes": [[1, 16], [1, 32]], "budgets": {"n_tokens": [320, 640]}, "seeds": [0, 1]}


@pytest.fixture
def document(tiny):
    return compose(tiny)


def sweep(document, *grids, **fields):
    return {**document, "sweep": {"name": "mine", "question": "?", "grids": list(grids), **fields}}


def test_a_grid_is_shapes_by_budgets_by_seeds(document):
    jobs = expand(sweep(document, GRID))
    assert len(jobs) == 8
    assert {(r.config.model.d_model, r.n_tokens, r.config.seed) for j in jobs for r in j.runs} == {
        (d, n, s) for d in (16, 32) for n in (320, 640) for s in (0, 1)
    }
    flops = [job.train_flops for job in jobs]
    assert flops == sorted(flops, reverse=True)


def test_a_point_wanted_twice_is_one_run(document):
    assert len(expand(sweep(document, GRID, {**GRID, "seeds": [1, 2]}))) == 12


def test_isoflop_points_cost_the_same(document):
    grid = {**GRID, "budgets": {"train_flops": [5e8], "count": "total"}}
    plans = [job.runs[0] for job in expand(sweep(document, grid))]
    for plan in plans:
        one_step = 6 * plan.n_params["total"] * plan.batch_tokens
        assert abs(plan.train_flops["6nd_total"] - 5e8) <= one_step / 2


def test_anything_else_may_vary(document):
    grid = {**GRID, "shapes": [[1, 16]], "over": {"optim.lr": [0.001, 0.002], "budget.batch_tokens": [32, 64]}}
    plans = [job.runs[0] for job in expand(sweep(document, grid))]
    assert {(p.learning_rate, p.batch_tokens) for p in plans} == {(lr, b) for lr in (0.001, 0.002) for b in (32, 64)}
    assert len(plans) == 16


@pytest.mark.parametrize(
    ("grid", "sentence"),
    [
        ({**GRID, "shapes": [[1, 17]]}, "even head size, d_model/n_head is 17"),
        ({**GRID, "shapes": []}, "sweep.grids.1.shapes"),
        ({**GRID, "budgets": {"n_tokens": [-1]}}, "greater than 0"),
        ({**GRID, "budgets": {"n_tokens": [10**9]}}, "available at one epoch"),
        ({**GRID, "over": {"runtime.threads": [1, 2]}}, "only fields of model"),
        ({**GRID, "over": {"optim.learning_rate": [1]}}, "optim.learning_rate is not a known key"),
        ({**GRID, "over": {"seed.x": [1]}}, "only fields of model"),
        ({**GRID, "depth": 3}, "sweep.grids.1.depth is not a known key"),
    ],
)
def test_one_bad_point_refuses_the_sweep(document, grid, sentence):
    with pytest.raises(UserError, match=sentence):
        expand(sweep(document, GRID, grid))


def manifest_of(document, *grids) -> Manifest:
    config = run_config({k: v for k, v in document.items() if k != "sweep"})
    return Manifest("mine", "?", 1, config.runtime, config.wandb, expand(sweep(document, *grids, stack=2)))


def test_a_manifest_comes_back_as_it_was_written(document, tmp_path):
    manifest = manifest_of(document, GRID)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_a_listing_tells_the_runs_of_a_manifest_without_resolving_them(document, tmp_path):
    manifest = manifest_of(document, GRID)
    write_manifest(tmp_path, manifest)
    for job, listed in zip(manifest.jobs, read_planned_sweep(tmp_path).jobs, strict=True):
        assert listed.job_id == job.job_id
        for run, short in zip(job.runs, listed.runs, strict=True):
            assert (short.run_id, short.n_steps) == (run.run_id, run.n_steps)
            assert short.train_flops == run.train_flops["6nd_with_head"]


def test_extending_keeps_what_is_there(document):
    first = manifest_of(document, GRID).jobs
    longer = manifest_of(document, {**GRID, "seeds": [0, 1, 2]}).jobs
    merged = merge_jobs(first, longer)
    assert {job.job_id for job in first} < {job.job_id for job in merged}
    assert sum(len(job.runs) for job in merged) == 12
    assert merge_jobs(merged, longer) == merged


def test_a_manifest_of_other_code_or_data_is_refused(document, tmp_path):
    write_manifest(tmp_path, manifest_of(document, GRID))
    path = tmp_path / "sweep.json"
    changed = json.loads(path.read_text())
    changed["jobs"][0]["runs"][0]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(changed))
    with pytest.raises(HarnessError, match="planned with other code or data"):
        read_manifest(tmp_path)
    path.write_text('{"schema')
    with pytest.raises(HarnessError, match="not JSON"):
        read_manifest(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        read_manifest(tmp_path / "nowhere")


FOLDER = CONF_DIR / "sweep"
ELSEWHERE = ("/paper-", "gpu/")  # on text that is not here
FOR_GPUS = [
    *sorted(file.relative_to(FOLDER).with_suffix("").as_posix() for file in (FOLDER / "gpu").glob("*.yaml")),
    *("hoffmann/paper-grid", "kaplan/paper-grid"),
]
SWEEPS = sorted(file.relative_to(FOLDER).with_suffix("").as_posix() for file in FOLDER.rglob("*.yaml"))


def header_of(name):
    header = {}
    for line in (FOLDER / f"{name}.yaml").read_text().splitlines():
        if line.startswith("# ") and ":" in line:
            key, _, value = line[2:].partition(":")
            header.setdefault(key.strip(), value.strip())
    return header


N_TOKENS = {1024: 3_731_910, 2048: 3_035_687}
"""Training tokens of the embedded corpus by the size of its vocabulary."""


def prepared_or_stand_in(data, extra_sets, data_dir):
    """Bytes are prepared; a BPE of the embedded corpus takes a minute, and planning wants no more than its sizes."""
    if not (isinstance(data, TextData) and data.tokenizer.kind == "bpe"):
        return prepare(data, extra_sets, data_dir)
    V, nowhere = data.tokenizer.vocab_size, data_dir
    return DataInfo("id", "sotu", V, N_TOKENS[V], 10**5, nowhere, nowhere, nowhere, 236, (), 3.5, nowhere, 10**5)


@pytest.mark.parametrize("name", [name for name in SWEEPS if not any(part in name for part in ELSEWHERE)])
def test_every_sweep_file_expands_to_what_its_header_says(name, monkeypatch, tmp_path):
    monkeypatch.setattr("sweeps.planning.expand.prepare", prepared_or_stand_in)
    check(header_of(name), compose([f"sweep={name}", f"runtime.data_dir={tmp_path.parent / 'sweep-tokens'}"]), name)


def check(header, document, name, *, with_text=True):
    """Jobs of a sweep, which are those of its header."""
    jobs = expand(document, with_text=with_text)
    runs = [run for job in jobs for run in job.runs]
    assert document["sweep"]["name"] == name.replace("/", "-")
    assert header["Question"]
    assert header["Time"]
    assert header["Runs"].split()[0] == str(len(runs))
    total = sum(job.train_flops for job in jobs)
    assert float(header["FLOPs"].split()[0]) == pytest.approx(total, rel=0.01)
    return jobs


def planned_without_text(name, *overrides):
    """Runs of a paper's grid, on text that is not fetched; and whether its header has their hours on H100s at 40 %."""
    header, document = header_of(name), compose([f"sweep={name}", *overrides])
    jobs = check(header, document, name, with_text=False)
    hours = sum(row["estimated_s"] for row in plan_rows(jobs, {}, flops_per_s=0.4 * 989e12)) / 3600
    assert float(header["GPU hours"].split()[0]) == pytest.approx(hours, rel=0.01)
    return jobs


@pytest.mark.parametrize("name", FOR_GPUS)
def test_a_ladder_for_gpus_is_costed_by_the_command_of_its_header(name, capsys, tmp_path):
    """Through the command line, which also reads what is not of the grids: the model of the base need be no run's."""
    command = re.search(r"`(sweep plan [^`]*)`", (FOLDER / f"{name}.yaml").read_text())
    assert command is not None
    assert command[1].split()[2:4] == [name, "--without-text"]
    assert main([*command[1].split(), f"runtime.runs_dir={tmp_path}", "--json"]) == 0
    totals, header = json.loads(capsys.readouterr().out)["totals"], header_of(name)
    assert header["Runs"] == str(totals["n_runs"])
    assert float(header["FLOPs"].split()[0]) == pytest.approx(totals["train_flops"], rel=0.01)
    gpu = totals["gpu"]
    at_40 = gpu["hours_left"] * gpu["utilisation"] / 0.4
    assert float(header["GPU hours"].split()[0]) == pytest.approx(at_40, rel=0.01)


def test_a_card_is_costed_whatever_this_machine_holds(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("scaling_harness.plan.memory.machine_bytes", lambda: 1e9)
    plan = ["sweep", "plan", "kaplan/paper-grid", "--without-text", f"runtime.runs_dir={tmp_path}", "--json"]
    assert main(plan) == 2
    assert "this machine has 1 GB" in capsys.readouterr().err
    rows = []
    for words in (["--card", "H100"], ["--utilisation", "0.4", "runtime=cuda"]):
        assert main([*plan, *words]) == 0
        rows.append(json.loads(capsys.readouterr().out)["runs"])
    assert rows[0] == rows[1]


def test_a_base_that_is_no_run_of_the_grids_is_planned(document):
    base = {**document, "model": {**document["model"], "n_head": None, "d_head": 24}}
    with pytest.raises(UserError, match="not divisible by d_head 24"):
        run_config({key: value for key, value in base.items() if key != "launcher"})
    assert len(plan_sweep(sweep(base, {**GRID, "shapes": [[1, 48]]})).jobs) == 4


def test_kaplans_grid_is_planned_with_its_gpu_hours():
    runs = [run for job in planned_without_text("kaplan/paper-grid") for run in job.runs]
    assert {(run.n_steps, run.warmup_steps, run.batch_tokens) for run in runs} == {(250_000, 3000, 2**19)}
    sizes = [run.n_params["non_embedding"] for run in runs]
    assert 768 <= min(sizes) < 900  # biases and norms included
    assert max(sizes) == pytest.approx(1.5e9, rel=0.03)


@pytest.mark.parametrize(("name", "sizes"), [("gpu/evening", (1e6, 3.4e7)), ("gpu/node-day", (1.3e7, 3e8))])
def test_a_ladder_for_gpus_fits_a_card_and_one_epoch(name, sizes):
    jobs = planned_without_text(name, "runtime=cuda", "runtime.memory_gb=80")
    runs = [run for job in jobs for run in job.runs]
    counts = [run.n_params["with_head"] for run in runs]
    assert sizes[0] <= min(counts) < max(counts) <= sizes[1]
    assert max(run.n_tokens for run in runs) < 0.9e10  # of the text's 1e10
    rows = plan_rows(jobs, {})
    assert not any(row["lacking_bytes"] for row in rows)
    assert max(row["memory_bytes"] for row in rows) < 80e9
    assert {run.config.data.tokenizer.vocab_size for run in runs} == {32768}
    assert {run.data.evaluation_sets for run in runs} == {("valid", "test")}  # as with the text


@pytest.mark.parametrize("name", FOR_GPUS)
def test_a_miniature_of_a_ladder_for_gpus_trains_on_a_cpu(name, corpus, tmp_path):
    from scaling_harness.execution.execute import execute_alone
    from scaling_harness.record.store import Store
    from scaling_harness.training.trainer import train

    document = miniature_of(name, corpus, tmp_path)
    job = plan_sweep(document).jobs[-1]
    assert len(job.runs) == (2 if document["sweep"].get("stack", 1) > 1 else 1)
    store = Store(tmp_path / "runs")
    execute_alone(job, job.runs[0].config.runtime, store, train)
    for run in job.runs:
        record = store.read(run.run_id)
        assert record.status == "completed"
        # The papers' rates, of far larger sizes, are low for so few steps.
        assert record.losses["test"].loss_nats < math.log(280) - (0.3 if "paper" in name else 1)
        assert record.bits_per_byte["test"] < 8


def miniature_of(name, corpus, folder):
    """The first grid of a ladder with its recipe, at a width, a budget, a batch and a text of some seconds on a CPU."""
    less = [
        "model.n_ctx=32",
        "budget.batch_tokens=256",
        "evaluation={n_points: 3, n_tokens: 256, final_n_tokens: 256}",
        f"runtime.data_dir={folder}",
    ]
    document = compose([f"sweep={name}", *less])
    text = {"path": str(corpus), "document_separator": "<|end|>", "max_epochs": 99}
    text |= {"tokenizer": {"kind": "bpe", "vocab_size": 280}, "valid_fraction": 0.1, "test_fraction": 0.1}
    in_shards = document["data"]["kind"] == "shards"
    document["data"] = text | {"kind": "shards" if in_shards else "files"}
    if document["schedule"]["warmup"]["unit"] == "steps":
        document["schedule"]["warmup"]["amount"] = 3
    grid = document["sweep"]["grids"][0]
    over = {key: values for key, values in grid.get("over", {}).items() if key != "budget.batch_tokens"}
    flops = 5e9 if in_shards else 3e10
    small = {"budgets": {"train_flops": [flops]}, "shapes": [[n_layer, 64] for n_layer, _ in grid["shapes"][:2]]}
    document["sweep"]["grids"] = [{**grid, **small, "seeds": grid["seeds"][:2], "over": over}]
    return document


def test_hoffmanns_grid_has_his_sizes_and_budgets_and_marks_what_no_worker_can_hold():
    jobs = planned_without_text("hoffmann/paper-grid", "runtime=cuda", "runtime.memory_gb=80")
    runs = [run for job in jobs for run in job.runs]
    sizes = {run.n_params["total"] for run in runs}
    assert len(sizes) == 50
    assert min(sizes) == pytest.approx(44e6, rel=0.05)
    assert max(sizes) == pytest.approx(16.2e9, rel=0.08)  # four attention matrices, not five
    budgets = np.array([run.n_params["total"] * 6 * run.n_tokens for run in runs])
    printed = np.array([6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21])
    assert np.abs(budgets[:, None] / printed - 1).min(axis=1).max() < 0.001
    rows = plan_rows(jobs, {})
    lacking = [row["lacking_bytes"] for row in rows]
    assert {need is not None for need in lacking} == {True, False}
    for row in rows:
        assert (row["lacking_bytes"] is None) == (row["n_params_total"] < 2.4e9)
        assert (row["lacking_at_best_bytes"] is None) == (row["n_params_total"] < 9.5e9)


def test_the_tiers_lie_along_the_rule_of_depth(tmp_path):
    document = compose(["sweep=reproduce-standard", f"runtime.data_dir={tmp_path.parent / 'sweep-tokens'}"])
    runs = [run for job in expand(document) for run in job.runs]
    assert {run.config.model.n_layer for run in runs} == {2, 3, 4}
    for run in runs:
        assert run.config.model.n_layer == n_layer("sweep2026", run.n_params["with_head"])
