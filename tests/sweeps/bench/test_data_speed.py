import json
from pathlib import Path

import pytest

from scaling_harness.cli import main
from scaling_harness.data.text_tokenizer import train_bpe
from sweeps.bench.data_speed import measure_tokenising, ratio


def test_both_ways_are_measured_on_the_same_text(tmp_path):
    texts = [f"Document {i} of {i * i}: a few words, and a few more.\n" * 4 for i in range(300)]
    (tmp_path / "text.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    train_bpe(Path(tmp_path, "tokenizer.json"), 300, iter(texts))
    rows = measure_tokenising(str(tmp_path / "text.jsonl"), str(tmp_path / "tokenizer.json"), 1, str(tmp_path))
    assert [row.what for row in rows] == ["tokenizers alone", "data prepare", "data prepare, bytes"]
    assert ratio(rows) == rows[1].cpu_s / rows[0].cpu_s
    assert {row.mb for row in rows} == {sum(map(len, texts)) / 1e6}
    assert all(row.wall_s > 0 and row.cpu_s > 0 for row in rows)
    assert all(30 < row.memory_mb < 1000 for row in rows)  # of the whole family, Python among it


@pytest.mark.parametrize("wrong", ["text", "tokenizer", "folder", "rounds"])
def test_a_mistake_is_a_sentence(tmp_path, wrong, capsys):
    path, tokenizer = tmp_path / "text.jsonl", tmp_path / "a tokenizer, mine.json"
    path.write_text('{"text": "a b c"}\n' if wrong != "text" else "no json\n")
    if wrong != "tokenizer":
        train_bpe(tokenizer, 258, iter(["a b c d " * 9]))
    options = ["--directory", str(tmp_path / "nowhere")] if wrong == "folder" else []
    options += ["--rounds", "0"] if wrong == "rounds" else ["--rounds", "1"]
    assert main(["bench", "data", str(path), str(tokenizer), *options]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert {"text": "JSON", "tokenizer": "does not exist", "folder": "nowhere", "rounds": "1 or more"}[wrong] in said
