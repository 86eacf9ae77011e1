"""Architectures of a user's own, as tests name them by `model.target`; each has what no built-in one has."""

from scaling_harness.models.architecture import Architecture


def forgetful(model, vocab_size):
    """Dropout of .5, and the mean of all states so far, which training moves and every forward pass reads."""
    d = model.d_model

    def build():
        import torch
        from torch import nn

        class Forgetful(nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding, self.head = nn.Embedding(vocab_size, d), nn.Linear(d, vocab_size, bias=False)
                self.drop = nn.Dropout(model.options.get("dropout", 0.5))
                self.register_buffer("mean", torch.zeros(d))
                self.register_buffer("n_seen", torch.zeros((), dtype=torch.int64))

            def forward(self, tokens_BT):
                x_BTD = self.embedding(tokens_BT)
                if self.training:
                    with torch.no_grad():
                        self.mean.lerp_(x_BTD.mean((0, 1)), 0.1)
                        self.n_seen += 1
                return self.head(self.drop(x_BTD - self.mean))

        return Forgetful()

    params = {"embedding": vocab_size * d, "head": d * vocab_size}
    return Architecture(params, 6.0 * params["head"], build, options=("dropout",))


def narrow_head(model, vocab_size):
    """A head on the first four channels alone."""
    from functools import partial

    params = {"embedding": vocab_size * model.d_model, "head": 4 * vocab_size}
    return Architecture(params, 6.0 * params["head"], partial(_narrow, model.d_model, vocab_size))


def tied(model, vocab_size):
    """The embedding gives the logits too."""
    n = vocab_size * model.d_model
    return Architecture({"embedding": n}, 6.0 * n, lambda: None, head_weights=n)


def experts(model, vocab_size):
    """Two experts, of which a token passes through one: the even tokens through the first."""
    d = model.d_model

    def build():
        import torch
        from torch import nn

        class Experts(nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding, self.head = nn.Embedding(vocab_size, d), nn.Linear(d, vocab_size, bias=False)
                self.experts = nn.ModuleList(nn.Linear(d, d, bias=False) for _ in range(2))

            def forward(self, tokens_BT):
                x_BTD = self.embedding(tokens_BT)
                first, second = (expert(x_BTD) for expert in self.experts)
                return self.head(x_BTD + torch.where((tokens_BT % 2 == 0)[..., None], first, second))

        return Experts()

    params = {"embedding": vocab_size * d, "mlp": 2 * d * d, "head": d * vocab_size}
    return Architecture(params, 6.0 * (d * d + params["head"]), build, active_params={"mlp": d * d})


def too_active(model, vocab_size):
    """More active parameters than there are."""
    return Architecture({"mlp": 1, "head": vocab_size * model.d_model}, 6.0, lambda: None, active_params={"mlp": 2})


def _narrow(d_model, vocab_size):
    from torch import nn

    class Narrow(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(vocab_size, d_model), nn.Linear(4, vocab_size, bias=False)

        def forward(self, tokens_BT):
            return self.head(self.embedding(tokens_BT)[..., :4])

    return Narrow()
