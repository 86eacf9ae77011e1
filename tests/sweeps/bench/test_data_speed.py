import json
from pathlib import Path

from scaling_harness.data.text_tokenizer import train_bpe
from sweeps.bench.data_speed import measure_tokenising


def test_both_ways_are_measured_on_the_same_text(tmp_path):
    texts = [f"Document {i} of {i * i}: a few words, and a few more.\n" * 4 for i in range(300)]
    (tmp_path / "text.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    train_bpe(Path(tmp_path, "tokenizer.json"), 300, iter(texts))
    rows = measure_tokenising(str(tmp_path / "text.jsonl"), str(tmp_path / "tokenizer.json"), 1, str(tmp_path))
    assert [row.what for row in rows] == ["tokenizers alone", "data prepare"]
    assert {row.mb for row in rows} == {sum(map(len, texts)) / 1e6}
    assert all(row.wall_s > 0 and row.cpu_s > 0 for row in rows)
    assert all(30 < row.memory_mb < 1000 for row in rows)  # of the whole family, Python among it
