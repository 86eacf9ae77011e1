import os
import sys

from scaling_harness.text_table import print_columns

ROWS = [["a", "1"], ["bcd", "1,000"]]


def test_columns_are_aligned_to_their_side(capsys):
    print_columns(("run", "D"), ROWS, right=("D",))
    assert capsys.readouterr().out.splitlines() == ["run      D", "a        1", "bcd  1,000"]


def test_a_terminal_cuts_lines_and_a_file_does_not(capsys, monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((6, 24)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_columns(("run", "D"), ROWS)
    assert capsys.readouterr().out.splitlines() == ["run  D", "a    1", "bcd  1"]
