"""Colours that a reader without green cones can tell apart."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from analysis.figures.style import ACCENT, APPROACH_COLOURS, GREY, INK, SECOND, SIZE_MAP

DEUTERANOPIA = np.array(  # of linear RGB, Machado et al. 2009, severity 1
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
NORMAL = np.eye(3)
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
APART = 18.0  # CIE76; about 2 is just noticeable side by side


def seen(colour, eye):
    """CIE L*a*b* of a colour as an eye sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(eye @ linear, 0, 1) / (TO_XYZ @ np.ones(3))
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", [NORMAL, DEUTERANOPIA, PROTANOPIA], ids=["normal", "deuteranope", "protanope"])
@pytest.mark.parametrize("palette", [tuple(APPROACH_COLOURS.values()), (ACCENT, SECOND, GREY, INK)], ids=["3", "4"])
def test_every_two_colours_of_one_figure_are_far_apart(palette, eye):
    for first, second in itertools.combinations(palette, 2):
        assert np.linalg.norm(seen(first, eye) - seen(second, eye)) > APART, (first, second)


def test_the_test_can_fail():
    """Red and green of equal lightness are one colour to a deuteranope."""
    red, green = "#c04040", "#807a20"
    assert np.linalg.norm(seen(red, NORMAL) - seen(green, NORMAL)) > 2 * APART
    assert np.linalg.norm(seen(red, DEUTERANOPIA) - seen(green, DEUTERANOPIA)) < APART


@pytest.mark.parametrize("eye", [NORMAL, DEUTERANOPIA, PROTANOPIA], ids=["normal", "deuteranope", "protanope"])
def test_larger_sizes_are_lighter_to_every_eye(eye):
    lightness = [seen(SIZE_MAP(x), eye)[0] for x in np.linspace(0, 1, 12)]
    assert (np.diff(lightness) > 2).all()
