import numpy as np
import pandas as pd
import pytest

from analysis.tables.columns import parse_columns, take_columns
from scaling_harness.errors import UserError


def test_a_name_with_a_comma_stands_in_double_quotes():
    found = parse_columns('N="size, M"*1e6,"loss=val, nats",D=tokens')
    assert found == {"N": "size, M*1e6", "L": "val, nats", "D": "tokens"}
    with pytest.raises(UserError, match="double quotes"):
        parse_columns("N=n,loss=val, nats")
    with pytest.raises(UserError, match="not closed"):
        parse_columns('N="n')


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("n=params", "'n', which is none of N, D, C, loss.*write N=params"),
        ("Loss=val", "write loss=val"),
        ("X=val", "'X', which is none of"),
        ("N=a,N=b", "names N twice"),
        ("loss=a,L=b", "names L twice"),
        ("N=", "letter=column"),
        ("", "letter=column"),
    ],
)
def test_wrong_letters_are_refused_with_the_right_one(text, sentence):
    with pytest.raises(UserError, match=sentence):
        parse_columns(text)


def test_l_is_the_loss_only_where_no_column_is_called_loss():
    frame = pd.DataFrame({"N": [1e6], "D": [1e8], "L": [4], "loss": [3.5]})
    taken = take_columns(frame, {})
    assert taken.frame["L"].tolist() == [3.5]
    assert taken.columns == {"N": "N", "D": "D", "L": "loss"}
    assert "column L is not used: L is column 'loss'" in taken.notes
    assert take_columns(frame.drop(columns="loss"), {}).frame["L"].tolist() == [4]


def test_a_d_or_c_that_the_user_did_not_name_is_not_used():
    frame = pd.DataFrame({"n": [1e6], "D": [12], "C": [3], "tokens": [1e8], "loss": [3.5]})
    taken = take_columns(frame, {"N": "n", "D": "tokens"})
    assert taken.frame["D"].tolist() == [1e8]
    assert "C" not in taken.frame
    assert "column C is not used: add C=C to --columns if it is C" in taken.notes
    with_names_alone = take_columns(frame, {"run": "tokens"}).columns
    assert with_names_alone == {"D": "D", "C": "C", "L": "loss"}


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("log(perplexity)", np.log(20.0), "L = log(perplexity)"),
        ("ln(perplexity)*0.5", np.log(20.0) / 2, "L = 0.5 * log(perplexity)"),
        ("perplexity*1", 20.0, None),
        ("perplexity/10", 2.0, "L = 0.1 * perplexity"),
    ],
)
def test_a_loss_may_be_a_logarithm_or_a_multiple(text, value, said):
    taken = take_columns(pd.DataFrame({"N": [1e6], "perplexity": [20.0]}), {"L": text})
    assert taken.frame["L"].tolist() == [pytest.approx(value)]
    assert said is None or said in taken.notes


@pytest.mark.parametrize("name", ["perplexity", "eval/ppl", "Perplexity (valid)"])
def test_a_perplexity_is_asked_about(name):
    with pytest.raises(UserError, match=r"is a perplexity by its name.*write loss=log\("):
        take_columns(pd.DataFrame({"N": [1e6], name: [20.0]}), {"L": name})


def test_a_table_whose_loss_may_be_a_perplexity_is_told_how_to_say_so():
    with pytest.raises(UserError, match=r"--columns loss=log\(valid_ppl\); it has N, valid_ppl"):
        take_columns(pd.DataFrame({"N": [1e6], "valid_ppl": [20.0]}), {})


def test_a_cell_that_is_no_number_is_shown_with_its_column():
    frame = pd.DataFrame({"N": ["44M", "big", None], "loss": [3.0, 3.1, 3.2]})
    taken = take_columns(frame, {})
    assert taken.unreadable == {
        1: "column 'N' holds 'big', which is no number for N",
        2: "column 'N' has no number for N",
    }
    with pytest.raises(UserError, match="column 'size' holds no number for N: row 1 has 'small'"):
        take_columns(pd.DataFrame({"size": ["small"], "loss": [3.0]}), {"N": "size"})


def test_what_commas_were_taken_for_is_said():
    frame = pd.DataFrame({"N": ["1,000,000"], "loss": [3.0]})
    assert take_columns(frame, {}).notes == ("commas in N are read as marks between thousands",)


def test_factors_that_are_no_positive_number_are_refused():
    with pytest.raises(UserError, match="positive number"):
        take_columns(pd.DataFrame({"N": [1.0], "x": [1.0]}), {"L": "x*-1"})
    with pytest.raises(UserError, match="no column 'x/0'"):
        take_columns(pd.DataFrame({"N": [1.0], "x": [1.0]}), {"L": "x/0"})
