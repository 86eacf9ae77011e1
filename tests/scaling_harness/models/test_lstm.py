import torch

from scaling_harness.config.schema import ModelConfig
from scaling_harness.models.lstm import LstmModel
from scaling_harness.models.registry import describe


def test_its_parameters_are_those_that_are_counted():
    model = LstmModel(n_layer=2, d_model=8, vocab_size=11)
    config = ModelConfig(2, 8, 4, "standard", n_head=1, target="lstm")
    assert sum(p.numel() for p in model.parameters()) == sum(describe(config, 11).params.values())


def test_a_position_sees_what_is_before_it_alone():
    torch.manual_seed(0)
    model = LstmModel(n_layer=2, d_model=8, vocab_size=11)
    tokens = torch.tensor([[1, 2, 3, 4], [1, 2, 9, 4]])
    one, other = model(tokens)
    assert torch.equal(one[:2], other[:2])
    assert (one[2:] != other[2:]).any()


def test_dropout_is_of_training_alone():
    torch.manual_seed(0)
    model = LstmModel(n_layer=1, d_model=8, vocab_size=11, dropout=0.5)
    tokens = torch.arange(8)[None]
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))


def test_a_fourth_layer_hears_the_tokens_as_loudly_as_the_first():
    def loudness(n_layer):
        torch.manual_seed(0)
        model = LstmModel(n_layer, d_model=32, vocab_size=64)
        return model(torch.randint(64, (8, 16))).std().item()

    assert 0.5 < loudness(4) / loudness(1) < 2.0
