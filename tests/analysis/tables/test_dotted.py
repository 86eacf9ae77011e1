from omegaconf import OmegaConf

from analysis.tables.dotted import dotted

SETTINGS = {"model": {"d_model": 64, "rope": {"base": 1e4}}, "empty": {}, "sets": [1, 2], "seed": None}


def test_nested_settings_have_the_names_that_omegaconf_selects_them_by():
    flat = dict(dotted(SETTINGS))
    assert set(flat) == {"model.d_model", "model.rope.base", "sets", "seed"}
    config = OmegaConf.create(SETTINGS)
    assert all(OmegaConf.select(config, name) == value for name, value in flat.items())
