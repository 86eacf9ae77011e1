import numpy as np
import pytest

from scaling_harness.config.compose import run_config
from scaling_harness.config.schema import NoiseData, WalkData
from scaling_harness.data.open_source import open_source
from scaling_harness.data.prepare import prepare
from scaling_harness.errors import UserError

WALK = {"kind": "walk", "n_nodes": 20, "n_edges": 40}


def opened(tmp_path, data, n_ctx=8, batch_seqs=4):
    return open_source(data, prepare(data, (), tmp_path), n_ctx, batch_seqs)


def test_a_batch_is_a_function_of_seed_and_index(tmp_path):
    data = WalkData(n_nodes=20, n_edges=40)
    one, other = opened(tmp_path, data), opened(tmp_path, data)
    assert one.batch(0, 0).shape == (4, 9)
    for seed, i in ((1, 3), (0, 0), (1, 2)):
        np.testing.assert_array_equal(one.batch(seed, i), other.batch(seed, i))
    different = [one.batch(seed, i).tobytes() for seed, i in ((0, 0), (0, 1), (1, 0))]
    assert len(set(different)) == 3
    by_two = opened(tmp_path, data, batch_seqs=2)
    np.testing.assert_array_equal(np.concatenate([by_two.batch(0, 2), by_two.batch(0, 3)]), one.batch(0, 1))


def test_limited_tokens_come_once_an_epoch_and_are_the_same_for_every_seed(tmp_path):
    data = WalkData(n_nodes=20, n_edges=40, n_unique_tokens=70)
    assert prepare(data, (), tmp_path).n_unique_tokens(8) == 64
    source = opened(tmp_path, data)
    epochs = [
        np.concatenate([source.batch(seed, i) for i in at]) for seed, at in ((0, (0, 1)), (0, (2, 3)), (1, (0, 1)))
    ]
    rows = [sorted(map(bytes, epoch)) for epoch in epochs]
    assert rows[0] == rows[1] == rows[2]
    assert len(set(rows[0])) == 8
    assert not np.array_equal(epochs[0], epochs[1])


def test_evaluation_sets_are_apart_from_each_other_and_from_training(tmp_path):
    source = opened(tmp_path, WalkData(n_nodes=20, n_edges=40))
    assert source.evaluation_sets == ("valid", "test")
    windows = [source.evaluation_windows(name, 33) for name in source.evaluation_sets]
    assert [len(w) for w in windows] == [5, 5]
    assert not np.array_equal(*windows)
    np.testing.assert_array_equal(source.evaluation_windows("test", 9), windows[1][:2])


def test_noise_mixes_into_any_source(tmp_path, make_plan):
    walk = NoiseData(source=WalkData(n_nodes=20, n_edges=40), rate=0.5, n_noise_tokens=3)
    source = opened(tmp_path, walk)
    assert prepare(walk, (), tmp_path).vocab_size == 23
    windows = source.evaluation_windows("test", 800)
    assert source.truth.probs(windows).shape == (100, 8, 23)
    assert (windows[:, 1:] >= 20).mean() == pytest.approx(0.5, abs=0.06)

    text = make_plan()
    noisy = NoiseData(source=text.config.data, rate=0.5)
    info = prepare(noisy, (), text.data.train_path.parents[1])
    source = open_source(noisy, info, 8, 4)
    assert (source.truth, source.evaluation_sets, info.files) == (None, ("valid",), text.data.files)
    clean = open_source(text.config.data, text.data, 8, 4)
    noise, before = source.batch(0, 1), clean.batch(0, 1)
    assert (noise[:, 0] == before[:, 0]).all()
    assert not np.array_equal(noise, source.batch(0, 2))


def test_what_decides_the_tokens_is_in_the_identity(tmp_path):
    base = WalkData(n_nodes=20, n_edges=40)
    others = [
        WalkData(n_nodes=20, n_edges=40, structure_seed=1),
        WalkData(n_nodes=20, n_edges=41),
        WalkData(n_nodes=20, n_edges=40, n_unique_tokens=64),
        NoiseData(source=base, rate=0.1),
        NoiseData(source=base, rate=0.2),
    ]
    ids = [prepare(data, (), tmp_path).data_id for data in (base, *others)]
    assert len(set(ids)) == len(ids)
    assert prepare(WalkData(n_nodes=20, n_edges=40, max_epochs=3), (), tmp_path).data_id == ids[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"kind": "noise", "rate": 1.5, "source": WALK}, r"data.rate is 1.5: .*less than or equal to 1"),
        ({"kind": "noise", "rate": -0.1, "source": WALK}, r"data.rate is -0.1: .*greater than or equal to 0"),
        (
            {"kind": "noise", "rate": 0.1, "source": {**WALK, "n_edges": 191}},
            r"data.source: n_edges 191 is above the 190",
        ),
        ({"kind": "walk", "n_edges": 0}, r"data.n_edges is 0: .*greater than 0"),
        (
            {"kind": "walk", "graph": "barabasi_albert", "n_nodes": 20, "n_edges": 41},
            "not a small multiple of n_nodes 20",
        ),
        ({"kind": "back_off", "zipf_exponent": float("inf")}, r"data.zipf_exponent is inf: .*finite"),
        ({"kind": "back_off", "n_tokens": 256, "order": 3}, "needs 4.3e[+]09 probabilities for its exact entropy"),
        ({"kind": "grammar", "n_symbols": 4, "n_rules": 5}, "ambiguous and their entropy not known: lower n_rules"),
        ({"kind": "grammar", "n_symbols": 64, "n_levels": 9}, "probabilities for the exact entropy"),
        ({"kind": "quanta", "exponent": 0}, r"data.exponent is 0: .*greater than 0"),
    ],
)
def test_parameters_without_an_exact_finite_entropy_are_refused(data, said, make_config):
    from pydantic_core import to_jsonable_python

    with pytest.raises(UserError, match=said):
        run_config({**to_jsonable_python(make_config()), "data": data})


def test_what_has_no_meaning_in_generated_tokens_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"extra_sets names code, but data.kind=walk is no text"):
        prepare(WalkData(), ("code",), tmp_path)
    with pytest.raises(UserError, match=r"n_unique_tokens 5 is less than one context of 8"):
        prepare(WalkData(n_unique_tokens=5), (), tmp_path).n_unique_tokens(8)
