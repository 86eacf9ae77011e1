from analysis.figures import style
from analysis.papers.tidy import Panel, drawing, rows, tidy


def test_a_point_far_beyond_the_lines_is_in_the_legend_and_not_on_the_axes():
    frame = tidy(
        [rows("ours", "line", "fit", [1e10, 1e12], [2.0, 1.0]), rows("ours", "far", "points", [1e90], [1e-7])], "byte"
    )
    ends = {}
    for within in (None, "fit"):
        figure, axes = style.new_figure(1, squeeze=False)
        ax = drawing({"ours": Panel("", "C", "L", within=within)})(axes[0, 0], frame)
        assert "far" in [text.get_text() for text in ax.get_legend().get_texts()]
        ends[within] = ax.get_xlim()[1], ax.get_ylim()[0]
        figure.clear()
    assert ends["fit"][0] < 1e13 < 1e90 < ends[None][0]
    assert ends["fit"][1] > 0.9 > 1e-7 > ends[None][1]


def test_a_number_just_below_a_thousand_of_its_letter_gets_the_next():
    assert [style.short(value) for value in (999_936, 1_000_064, 250_112, 999.6, 28_000)] == [
        "1M",
        "1M",
        "250k",
        "1k",
        "28k",
    ]
