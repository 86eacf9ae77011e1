import numpy as np
import pandas as pd
import pytest

from analysis.tables.numbers_as_written import comma_of, read_column, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("44M", 44e6),
        ("1.016B", 1.016e9),
        ("75.3 B", 75.3e9),
        ("1.5B tokens", 1.5e9),
        ("300 million params", 3e8),
        ("7k", 7e3),
        ("2.00×10^19", 2e19),
        ("2.0 × 10¹⁹", 2e19),
        (r"$2 \times 10^{19}$", 2e19),
        ("2*10**19", 2e19),
        ("10^19", 1e19),
        ("1,000,000", 1e6),
        ("1,234,567.5", 1234567.5),
        ("1 000 000", 1e6),
        ("1'000'000", 1e6),
        ("1_000_000", 1e6),
        ("1.2E+20 FLOPs", 1.2e20),
        ("1.2 ZFLOP", 1.2e21),
        ("−3.5", -3.5),
    ],
)
def test_numbers_are_read_as_people_write_them(text, number):
    assert read_number(text) == number


@pytest.mark.parametrize("text", ["small", "44Q", "3.1e", "1,5", "1.2.3", "M", "1e18 per run", "44M?"])
def test_what_is_no_number_is_none(text):
    assert read_number(text) is None


@pytest.mark.parametrize("text", ["", " ", "-", "n/a", "NaN", "None"])
def test_empty_cells_are_nan(text):
    assert np.isnan(read_number(text))


@pytest.mark.parametrize(("text", "number"), [("7,97947", 7.97947), ("1.000.000,5", 1000000.5), ("1.000.000", 1e6)])
def test_a_comma_may_be_the_decimal_point(text, number):
    assert read_number(text, "point") == number


@pytest.mark.parametrize(
    ("cells", "semicolons", "meaning"),
    [
        (["7,97947", "6,9"], False, "point"),
        (["1,000,000", "4,000"], True, "thousands"),
        (["3,456"], True, "point"),
        (["3,456"], False, "thousands"),
        (["1,234.5"], True, "thousands"),
    ],
)
def test_what_commas_mean_is_told_by_the_cells_then_by_the_separator(cells, semicolons, meaning):
    assert comma_of([pd.Series(cells)], semicolons) == meaning


def test_a_column_gives_its_numbers_and_the_text_that_is_none():
    values, odd = read_column(pd.Series([44000000, "1.016B", None, "many", True, 10**400], dtype=object))
    np.testing.assert_array_equal(values, [44e6, 1.016e9, np.nan, np.nan, np.nan, np.nan])
    assert odd == {3: "many", 4: "True", 5: str(10**400)}
