"""The explorer in a browser: what it shows is what the laws in Python say, to the last digit shown."""

import dataclasses
import re

import numpy as np
import pytest
from scipy.optimize import brentq, least_squares, minimize_scalar

from analysis.explorer.toy_runs import toy_document
from analysis.explorer.write import write_explorer
from analysis.forecasting.forecast import forecast
from analysis.forecasting.source import Source, open_source
from analysis.laws.chinchilla import chinchilla
from analysis.laws.cost_model import SIX_ND, CostModel, optimal_under
from analysis.laws.published import PUBLISHED
from analysis.laws.registry import LAWS

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
SET = """
const [id, value] = arguments, e = document.getElementById(`${id}-exact`) ?? document.getElementById(id);
e.value = value;
e.dispatchEvent(new Event("input", {bubbles: true}));
"""
SHOW = """
for (const box of document.querySelectorAll("#laws input")) box.checked = arguments[0].includes(box.value);
document.querySelector("#laws input").dispatchEvent(new Event("input", {bubbles: true}));
"""
READ = """
const quantities = box => Object.fromEntries([...box.querySelectorAll("[data-quantity]")].map(
  e => [e.dataset.quantity, e.tagName == "TR" ? [...e.cells].map(c => c.textContent) : e.textContent]));
return Object.fromEntries([...document.querySelectorAll(arguments[0])].map(
  e => [e.dataset.law ?? "toy", quantities(e)]));
"""
FLAT = {"A": 12.0, "alpha": 0.076, "B": 17.0, "beta": 0.08, "k": 1.0}
flat_law = LAWS["kaplan_ln_d_footnote"]
NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"


@pytest.fixture(scope="module")
def sources():
    """Two sources as of fits, with resamples: one with C = 6 N D, one whose C has an overhead at small sizes."""
    spread = np.random.default_rng(0).normal(1, 0.02, (len(TRUTH), 60))
    draws = {name: TRUTH[name] * factor for name, factor in zip(TRUTH, spread, strict=True)}
    ranges = {"N": (1e4, 3e5), "D": (1e5, 1e7), "C": (1e11, 3e12)}
    plain = Source("plain", chinchilla, TRUTH, draws, {}, input_ranges=ranges, conventions={"vocab_size": "256"})
    cost = CostModel(overhead=15.0, overhead_power=0.25, budgets=(1e11, 5e11, 3e12))
    skaling = {name: {**values, "k": 0.8 + 0 * values["E"]} for name, values in (("values", TRUTH), ("draws", draws))}
    costly = dataclasses.replace(plain, name="costly", law=LAWS["skaling"], cost=cost, **skaling)
    conventions = {"count": "total", "vocab_size": 32000}
    flat = Source("flat", flat_law, FLAT, {}, {}, input_ranges=ranges, conventions=conventions)
    return {"plain": plain, "costly": costly, "flat": flat}


@pytest.fixture(scope="module")
def path(tmp_path_factory, sources):
    return write_explorer(tmp_path_factory.mktemp("page") / "explorer.html", list(sources.values()))


@pytest.fixture
def page(browser, path):
    """The page as it first was, but for the budget and the laws; it is loaded once, which takes longest."""
    if browser.driver.current_url != path.as_uri() or browser.js("return innerWidth") != 1400:
        browser.open(path)
    put(browser, served=0, count="own", compute="own", aspect=39.2)
    yield browser
    assert browser.errors() == []


def put(page, **settings):
    for name, value in settings.items():
        page.js(SET, name, value)


def cards(page, *laws):
    page.js(SHOW, laws)
    return page.js(READ, ".card")


def numbers(text):
    return [float(number) for number in re.findall(NUMBER, text)]


def as_shown(*values, digits=4):
    return [float(f"{value:.{digits}g}") for value in values]


@pytest.mark.parametrize("flops", [3e12, 7.7e13, 2e20])
def test_cards_say_what_forecast_does(page, sources, flops):
    put(page, budget=flops)
    shown = cards(page, "plain", "costly", "published:muennighoff2023", "published:kaplan2020_ln_d")
    for name, card in shown.items():
        said = forecast(sources.get(name) or open_source(name), train_flops=flops)
        for key, quantity in (
            ("n", "n_params"),
            ("d", "n_tokens"),
            ("ratio", "tokens_per_param"),
            ("loss", "loss_nats"),
        ):
            estimate = said.quantities[quantity]
            assert numbers(card[key]) == as_shown(estimate.value, *(estimate.ci95 or ())), (name, key)
        by_factor = {wrong.factor: wrong for wrong in said.wrong_sizes}
        for key, factor in (("half", 0.5), ("double", 2.0)):
            wrong = by_factor[factor]
            said_of_it = as_shown(wrong.extra_loss_nats.value, 100 * wrong.wasted_compute.value, digits=3)
            assert numbers(card[key]) == said_of_it, (name, key)
    largest = sources["plain"].input_ranges["C"][1]
    if flops > 1.001 * largest:
        assert numbers(shown["plain"]["trained"])[-1] == as_shown(flops / largest, digits=3)[0]
    else:
        assert shown["plain"]["trained"].startswith("within the trained compute")


def test_a_printed_line_has_sizes_and_no_loss(page):
    put(page, budget=5.76e23)
    card = cards(page, "published:kaplan2020", "published:llama3_2024")["published:kaplan2020"]
    said = forecast("published:kaplan2020", train_flops=5.76e23).quantities
    assert numbers(card["n"]) == as_shown(said["n_params"].value)
    assert numbers(card["d"]) == as_shown(said["n_tokens"].value)
    assert card["loss"].startswith("not predicted")
    assert card["trained"].startswith("beyond the trained sizes")


OMEGA = 32000 * (39.2 / 12) ** (1 / 3)


def total(n):
    """Pearce & Song 2024: N_total of a model with n parameters without embeddings."""
    return n + OMEGA * n ** (1 / 3)


def best_without_embeddings(entry, flops):
    """The size, without embeddings, of least loss at C = 6 N D by that count; and the loss."""

    def loss(log_n):
        n = np.exp(log_n)
        return float(LAWS[entry.law].predict(entry.params, N=total(n), D=flops / (6 * n)))

    found = minimize_scalar(loss, bounds=np.log([1e3, 1e12]), options={"xatol": 1e-9}, method="bounded")
    return np.exp(found.x), found.fun


@pytest.mark.parametrize("flops", [1e17, 1e19, 3e22])
@pytest.mark.parametrize("key", ["besiroglu2024", "hoffmann2022"])
def test_a_total_law_counted_without_embeddings_as_pearce_and_song_do(page, key, flops):
    put(page, budget=flops, count="non_embedding", compute="6nd")
    card = cards(page, f"published:{key}")[f"published:{key}"]
    n, loss = best_without_embeddings(PUBLISHED[key], flops)
    assert numbers(card["n"]) == as_shown(n)
    assert numbers(card["loss"]) == as_shown(loss)
    assert "(non-embedding)" in card["n"]
    put(page, compute="own")  # the budget is 6 N_total D again: the same model as without a conversion
    again = cards(page, f"published:{key}")[f"published:{key}"]
    said = forecast(f"published:{key}", train_flops=flops).quantities
    n = brentq(lambda log_n: total(np.exp(log_n)) - said["n_params"].value, 0, 60, xtol=1e-14)
    assert numbers(again["n"]) == as_shown(np.exp(n))
    assert numbers(again["loss"]) == as_shown(said["loss_nats"].value)


@pytest.mark.parametrize("flops", [1.78e19, 2.4e19])
def test_of_two_minima_the_lower_one_is_taken(page, flops):
    """Exponents as small as those of Kaplan: at the first budget the small size is best, at the second the large."""
    put(page, budget=flops, count="non_embedding", compute="6nd")
    grid = np.exp(np.linspace(5, 25, 200_001))
    loss = flat_law.predict(FLAT, N=total(grid), D=flops / (6 * grid))
    assert (np.diff(np.sign(np.diff(loss))) > 0).sum() == 2
    assert numbers(cards(page, "flat")["flat"]["n"])[0] == pytest.approx(grid[loss.argmin()], rel=1e-3)


def test_the_slope_is_the_one_that_pearce_and_song_derive(page):
    law = PUBLISHED["besiroglu2024"].params
    put(page, count="non_embedding", compute="6nd")
    sizes = []
    for flops in (1e18, 1.5e18):
        put(page, budget=flops)
        sizes += numbers(cards(page, "published:besiroglu2024")["published:besiroglu2024"]["n"])
    x = np.sqrt(np.prod(sizes)) ** (2 / 3)
    first = (x + OMEGA / 9) / (x + OMEGA / 3) / law["beta"]
    second = (1 + law["alpha"]) / law["beta"] * (x + OMEGA / 3) / (x + OMEGA)
    assert np.log(sizes[1] / sizes[0]) / np.log(1.5) == pytest.approx(1 / (1 - first + second), abs=2e-3)


def test_a_law_without_embeddings_counted_in_total(page):
    """The other way: C = 6 N_total D is then an overhead that falls with N."""
    entry = PUBLISHED["kaplan2020_ln_d"]
    w = 50257 * (16 / 12) ** (1 / 3)
    put(page, budget=1e20, count="total", compute="6nd", aspect=16)
    card = cards(page, "published:kaplan2020_ln_d")["published:kaplan2020_ln_d"]
    said = optimal_under(CostModel(overhead=w, overhead_power=2 / 3), LAWS[entry.law], entry.params, 1e20)
    assert numbers(card["n"]) == as_shown(said.n_params + w * said.n_params ** (1 / 3))
    assert numbers(card["d"]) == as_shown(said.n_tokens)


def test_a_fit_with_a_cost_of_its_own_by_six_n_d(page, sources):
    put(page, budget=1e14, compute="6nd")
    card = cards(page, "costly")["costly"]
    source = sources["costly"]
    assert numbers(card["n"])[0] == as_shown(optimal_under(SIX_ND, source.law, source.values, 1e14).n_params)[0]


def test_what_cannot_be_converted_says_why(page):
    put(page, count="non_embedding")
    assert cards(page, "plain", "published:llama3_2024", "published:hoffmann2022").keys() == {"published:hoffmann2022"}
    said = page.js("return document.getElementById('left-out').textContent")
    assert "plain is not shown: which parameters its N counts is not known." in said
    assert "published:llama3_2024 is not shown: only N_opt is printed" in said


def cheapest(source, flops, served):
    """Least of training and inference at the loss of the best size, by another method than the page's."""
    best = source.optimal(source.values, flops)

    def tokens(log_n):
        def there(log_d):
            return source.law.predict(source.values, N=np.exp(log_n), D=np.exp(log_d)) - best.loss_nats

        return np.exp(brentq(there, -20, 400, xtol=1e-13))

    def total(log_n):
        n = np.exp(log_n)
        return float(source.cost.flops(n, tokens(log_n)) + source.cost.flops(n, served) / 3)

    top = np.log(best.n_params)
    found = minimize_scalar(total, bounds=(top - 2, top), options={"xatol": 1e-10}, method="bounded")
    return np.exp(found.x), tokens(found.x), 1 - found.fun / (flops + source.cost.flops(best.n_params, served) / 3)


@pytest.mark.parametrize("name", ["plain", "costly", "published:besiroglu2024"])
def test_inference_tokens_choose_the_size_of_least_total(page, sources, name):
    source = sources.get(name) or open_source(name)
    flops = 1e23 if name not in sources else 1e14
    best = source.optimal(source.values, flops)
    served = float(f"{best.n_tokens:.1g}") * 2
    put(page, budget=flops, served=served)
    card = cards(page, name)[name]
    n, d, saved = cheapest(source, flops, served)
    assert numbers(card["life-n"])[0] == pytest.approx(n, rel=6e-4)
    assert numbers(card["life-d"])[0] == pytest.approx(d, rel=6e-4)
    assert numbers(card["life-saved"]) == as_shown(100 * saved, digits=3)
    assert numbers(card["n"])[0] == as_shown(best.n_params)[0]
    assert n < best.n_params
    put(page, served=0)
    assert "life-n" not in cards(page, name)[name]


# ------------------------------------------------------------------ the toy


def regression(runs, grid=21, refinements=3):
    """The toy's own: a grid over alpha, beta and E, least squares of A and B, refined around the best."""
    N, D, y = (np.array([run[name] for run in runs]) for name in ("n_params", "n_tokens", "seen"))
    limits = {"alpha": (0.2, 0.55), "beta": (0.2, 0.55), "E": (1.2, 2.2)}
    ends = dict(limits)
    for _ in range(refinements + 1):
        axes = [np.linspace(*ends[name], grid) for name in ends]
        alpha, beta = (axis.ravel() for axis in np.meshgrid(*axes[:2], indexing="ij"))
        X = np.stack([(N / 1e9) ** -alpha[:, None], (D / 1e10) ** -beta[:, None]], axis=-1)
        targets = y[:, None] - axes[2]
        AB = np.linalg.solve(X.mT @ X, X.mT @ targets)
        left = ((targets - X @ AB) ** 2).sum(axis=1)
        squares = np.where((AB > 0).all(axis=1), left, np.inf).reshape((grid,) * 3)
        at = np.unravel_index(squares.argmin(), squares.shape)
        found = {name: axes[k][at[k]] for k, name in enumerate(ends)}
        reach = {name: 2 * (high - low) / (grid - 1) for name, (low, high) in ends.items()}
        ends = {
            name: (max(limits[name][0], found[name] - reach[name]), min(limits[name][1], found[name] + reach[name]))
            for name in ends
        }
    X = np.stack([N ** -found["alpha"], D ** -found["beta"]], axis=1)
    scale = X.max(axis=0)
    found["A"], found["B"] = np.linalg.lstsq(X / scale, y - found["E"], rcond=None)[0] / scale
    return found, float(squares.min())


def toy_runs(noise, decimals, region):
    toy = toy_document()
    first, last = toy["regions"][region]
    runs = [run for run in toy["runs"] if first <= run["size"] <= last]
    return [run | {"seen": round(run["loss"] + run["ripple"] + noise / 1000 * run["tilt"], decimals)} for run in runs]


@pytest.mark.parametrize(("noise", "decimals", "region"), [(0, 4, "all"), (45, 2, "small"), (-130, 3, "medium")])
def test_the_toys_regression_is_numpys(page, noise, decimals, region):
    put(page, noise=noise, decimals=decimals, region=region, target=1e14, tokens="twenty")
    found, _ = regression(toy_runs(noise, decimals, region))
    found["a"] = found["beta"] / (found["alpha"] + found["beta"])
    found["b"] = 1 - found["a"]
    found["loss"] = float(chinchilla.predict(found, N=1e14, D=20e14))
    table = page.js(READ, "#toy-table")["toy"]
    assert {name: numbers(row[1])[0] for name, row in table.items()} == {
        name: as_shown(found[name])[0] for name in ("alpha", "beta", "E", "a", "b", "loss")
    }
    truth = chinchilla.predict(toy_document()["truth"], N=1e14, D=20e14)
    assert numbers(table["loss"][2]) == as_shown(truth)
    assert numbers(table["loss"][3].replace("−", "-"))[0] == as_shown(found["loss"] - truth, digits=3)[0]


def test_the_grid_is_near_the_least_squares():
    """Three refinements come within a few per mille of the squares of a solver that stops at nothing."""
    runs = toy_runs(0, 4, "all")
    found, squares = regression(runs)
    N, D, y = (np.array([run[name] for run in runs]) for name in ("n_params", "n_tokens", "seen"))

    def residuals(z):
        E, log_a, log_b, alpha, beta = z
        return E + np.exp(log_a - alpha * np.log(N)) + np.exp(log_b - beta * np.log(D)) - y

    start = [found["E"], np.log(found["A"]), np.log(found["B"]), found["alpha"], found["beta"]]
    least = 2 * least_squares(residuals, start, x_scale="jac", xtol=1e-14, ftol=1e-14).cost
    assert least <= squares < 1.005 * least


def test_the_toys_tokens_at_the_extrapolation_are_those_of_the_truths_optimum(page):
    put(page, target=1e12, tokens="optimal")
    truth = toy_document()["truth"]
    log_d = brentq(lambda log_d: optimal_n(truth, 6e12 * np.exp(log_d)) - np.log(1e12), 0, 100, xtol=1e-13)
    table = page.js(READ, "#toy-table")["toy"]
    assert numbers(table["loss"][2]) == as_shown(chinchilla.predict(truth, N=1e12, D=np.exp(log_d)))


def optimal_n(params, flops):
    return float(np.log(chinchilla.optimal(params, flops).n_params))


# ------------------------------------------------------------------ how it looks and handles


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (400, False), (400, True)])
def test_nothing_sticks_out_and_all_can_be_read(browser, path, width, dark):
    browser.open(path, width, dark=dark)
    put(browser, served=1e9)
    assert browser.too_wide() == []
    assert browser.low_contrast() == []
    assert browser.errors() == []
    assert browser.js("return document.querySelectorAll('figure svg').length") == 3


def test_every_control_has_a_name_of_its_own_and_takes_the_keyboard(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    controls = page.driver.find_elements(By.CSS_SELECTOR, "input, select")
    names = [control.accessible_name for control in controls]
    assert all(names)
    assert len(set(names)) == len(names) > 20
    slider = page.driver.find_element(By.ID, "budget")
    exact = page.driver.find_element(By.ID, "budget-exact")
    before = float(exact.get_property("value")), cards(page, "plain")["plain"]["n"]
    slider.send_keys(Keys.ARROW_RIGHT)
    after = float(exact.get_property("value")), page.js(READ, ".card")["plain"]["n"]
    assert after[0] > before[0]
    assert after[1] != before[1]
    assert slider.get_attribute("aria-valuetext").endswith(" FLOP")
    exact.clear()
    exact.send_keys("a lot")
    assert exact.get_attribute("aria-invalid") == "true"
    assert page.js(READ, ".card")["plain"]["n"] == after[1]


def test_a_fit_not_to_be_used_is_said_so_above_all_numbers(browser, tmp_path):
    notes = ("bad.json: not converged: do not use these parameters",)
    bad = dataclasses.replace(open_source("published:hoffmann2022"), name="bad.json", notes=notes)
    browser.open(write_explorer(tmp_path / "explorer.html", [bad]))
    assert browser.js("return document.querySelector('.banner').textContent").startswith("bad.json is not a fit to use")


def test_no_law_chosen_leaves_a_sentence_and_no_error(page):
    assert cards(page) == {}
    assert page.js("return document.getElementById('loss-figure').textContent").startswith("None of the laws")
