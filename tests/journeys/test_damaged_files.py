"""Any bytes in any file of a sweep: a sentence or a reason, never a traceback, and the other runs go on."""

import dataclasses
import json
import random
import shutil

import pytest

from scaling_harness.cli import main
from scaling_harness.config.compose import compose
from scaling_harness.record.archive import locate, read_archive
from scaling_harness.record.provenance import code_version
from scaling_harness.record.record import write_record
from scaling_harness.record.sweep_listing import write_listing

BYTES = (b"", b"\0\xff\xfe", b"[]", b"3", b"null", b'"x"', b"{}", b'{"a":' * 2000, b"1e999\n[]\n", b"\n\n")
VALUES = (None, [], {}, "x", -1, 1e308, True, [[]], {"a": None})
READERS = ("table mini", "sweep status mini", "sweep logs mini", "pairs mini --by budget.n_steps")


@pytest.fixture(scope="module")
def restored(tmp_path_factory):
    """Runs of the smallest tier as training left them, with an attempt each."""
    folder = tmp_path_factory.mktemp("runs")
    archive = read_archive(locate("archive:reproduce-mini"))
    for run_id, run in archive.runs.items():
        directory = folder / "store" / run_id
        write_record(directory, run.record)
        (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in run.curve))
        attempt = {"host": "h", "kernel": "k", "pid": 1, "job_id": run.record.job_id, "started": "2026-01-01T00:00:00"}
        attempt |= {"locked": True, "checkpoint_mtime_ns": None}
        (directory / "attempt-0001.json").write_text(json.dumps(attempt) + '\n{"outcome": "completed"}')
    document = compose(["sweep=reproduce-mini"])
    launch = {key: document[key] for key in ("runtime", "wandb", "launcher")} | {"code": code_version(), "data": []}
    write_listing(folder / "mini", dataclasses.replace(archive.listing, launch=launch))
    return folder


@pytest.fixture
def runs(restored, tmp_path, monkeypatch):
    shutil.copytree(restored, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def files(runs):
    run = sorted((runs / "store").iterdir())[5]
    return [runs / "mini" / "sweep.json", *sorted(run.iterdir())]


def altered(content: bytes, choose: random.Random) -> bytes:
    """Other bytes, or some bytes cut out, or some values, at any depth, of another kind."""
    match choose.randrange(3):
        case 0:
            return choose.choice(BYTES)
        case 1:
            start = choose.randrange(len(content))
            return content[:start] + choose.choice([b"", b"\xff", b'"', b"}"]) + content[start + choose.randrange(9) :]
        case _:
            return b"".join(json.dumps(swapped(each, choose)).encode() + b"\n" for each in documents(content))


def documents(content: bytes):
    try:
        return [json.loads(content)]
    except ValueError:
        return [json.loads(line) for line in content.splitlines()]


def swapped(value, choose: random.Random):
    if choose.random() < 0.05:
        return choose.choice(VALUES)
    if isinstance(value, dict):
        return {key: swapped(inner, choose) for key, inner in value.items() if choose.random() > 0.01}
    return [swapped(inner, choose) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("index", range(4))
def test_no_bytes_give_a_traceback(runs, index, capsys):
    path = files(runs)[index]
    content = path.read_bytes()
    for seed in range(12):
        path.write_bytes(altered(content, random.Random(seed)))
        for command in READERS:
            code = main(command.split())
            said = capsys.readouterr().err
            assert code == 0 or said.startswith(("error: ", "failed: ", "left out: ")), (command, seed, said)


def test_a_run_whose_record_is_damaged_is_left_out_and_the_rest_goes_on(runs, capsys):
    path = files(runs)[3]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"losses": ["x"]}))
    assert path.name == "record.json"
    assert main(["table", "mini", "--csv", "t.csv"]) == 0
    assert "losses: Input should be a valid dictionary: delete it and run the sweep again" in capsys.readouterr().err
    assert (runs.parent / "t.csv").read_text().count("\n") == 32
    assert main(["sweep", "status", "mini"]) == 0
    assert "its record is damaged" in capsys.readouterr().out


def test_a_curve_is_cut_at_a_damaged_line_and_the_fit_goes_on(runs, capsys):
    path = files(runs)[2]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:9], '{"step": 10, "tok', *lines[10:]]) + "\n")
    assert path.name == "metrics.jsonl"
    assert main(["fit", "mini", "--approaches", "--resamples", "20"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"{path.relative_to(runs)} is damaged: the curve of this run is cut there" in out
