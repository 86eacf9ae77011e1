import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis.runs.load import load_runs
from analysis.tables.files import read_file
from scaling_harness.errors import UserError

ROWS = [(1e6, 1e8, 7.97947), (1e6, 4e8, 6.99537), (4e6, 1e8, 6.62053)]
PLAIN = "N,D,loss\n" + "".join(f"{n:.0f},{d:.0f},{loss}\n" for n, d, loss in ROWS)
OBJECTS = [dict(zip(("N", "D", "loss"), row, strict=True)) for row in ROWS]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", PLAIN),
        ("t.csv", "\ufeff" + PLAIN),
        ("t.CSV", PLAIN.replace(",", ", ")),
        ("t.csv", PLAIN.replace(",", ";")),
        ("t.csv", PLAIN.replace(",", ";").replace(".", ",")),
        ("t.csv", PLAIN.replace(",", "|")),
        ("t.txt", PLAIN.replace(",", "   ")),
        ("t.tsv", PLAIN.replace(",", "\t")),
        ("t.csv", "# runs of spring\n" + PLAIN.replace("\n4", "\n# the larger one\n4")),
        ("t.txt", "# " + PLAIN.replace(",", " ")),
        ("t.csv", PLAIN.replace("1000000,", '"1,000,000",').replace("4000000,", '"4,000,000",')),
        ("t.csv", PLAIN.replace("\n", "\r\n")),
        ("t.json", json.dumps(OBJECTS)),
        ("t.json", json.dumps({"runs": OBJECTS, "version": 2})),
        ("t.json", json.dumps({name: [row[name] for row in OBJECTS] for name in OBJECTS[0]})),
        ("t.json", json.dumps({name: {str(i): row[name] for i, row in enumerate(OBJECTS)} for name in OBJECTS[0]})),
        ("t.jsonl", "\n".join(map(json.dumps, OBJECTS))),
    ],
)
def test_one_table_in_every_dress(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    frame = load_runs(tmp_path / name).frame
    np.testing.assert_allclose(frame[["N", "D", "L"]].to_numpy(float), ROWS, rtol=1e-12)


def test_compressed_tables_are_read(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    with pa.output_stream(str(tmp_path / "t.jsonl.zst"), compression="zstd") as stream:
        stream.write("\n".join(map(json.dumps, OBJECTS)).encode())
    for name in ("t.csv.gz", "t.jsonl.zst"):
        np.testing.assert_allclose(load_runs(tmp_path / name).frame.L, [7.97947, 6.99537, 6.62053])


def test_comments_and_names_that_come_twice_are_said(tmp_path):
    (tmp_path / "t.csv").write_text("N,D,loss,loss\n1,2,3,4\n# no\n")
    frame, notes, _ = read_file(tmp_path / "t.csv")
    assert list(frame) == ["N", "D", "loss", "loss.1"]
    assert notes == (
        "1 comment lines, which begin with #, are left out",
        "several columns are called loss: the first of them is read",
    )


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("t.csv", "N,D,loss\n1,2,3,4\n", "more cells than its first line has names"),
        ("t.csv", "N,D,loss\n1,2,3\n1,2,3,4\n", "cannot be read as csv.*line 3"),
        ("t.csv", "1e6,1e8,7.9\n1e6,4e8,6.9\n", "no names but 1e6, 1e8, 7.9"),
        ("t.csv", "N,1e8,4e8\n1e6,7.9,6.9\n4e6,6.6,5.6\n", r"pivot table.*called 1e8, 4e8.*N,D,loss.*1e6,1e8,7.9"),
        ("t.csv", "", "no rows"),
        ("t.json", "{", "cannot be read as json"),
        ("t.json", "[1, 2]", "neither an array of objects"),
        ("t.jsonl", "[1, 2]\n", "no objects of names and values"),
        ("t.csv.gz", "plain", "cannot be read as csv"),
        ("t.parquet", "plain", "cannot be read as parquet"),
        ("t.xlsx", "", r"not a table this reads: give .csv, .*\.gz, \.zst"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_file(tmp_path / name)


def test_a_number_called_as_a_date_stays_a_number(tmp_path):
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row | {"updated_at": 1.7e9}) for row in OBJECTS))
    assert read_file(tmp_path / "t.jsonl")[0]["updated_at"].tolist() == [1.7e9] * 3


def test_parquet_with_an_index_is_read_by_its_columns(tmp_path):
    pd.DataFrame(OBJECTS, index=["a", "b", "c"]).to_parquet(tmp_path / "t.parquet")
    assert list(read_file(tmp_path / "t.parquet")[0].index) == [0, 1, 2]
