"""An LSTM language model, as Kaplan et al. (2020, section 3.2.1) set beside their transformers.

B batch, T time, D d_model, V vocabulary.
"""

from torch import Tensor, nn
from torch.nn.functional import rms_norm


class LstmModel(nn.Module):
    """Token ids (B, T) in, logits (B, T, V) out: an embedding, layers of width D, a head of its own, no biases.

    The output of each layer is normed: at the start it is a seventh of its input, so that after four layers nothing
    would be left to learn from.

    Parameters
    ----------
    n_layer, d_model, vocab_size : int
        Shape.
    dropout : float
        Of the embedding and of the output of each layer.
    """

    def __init__(self, n_layer: int, d_model: int, vocab_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.layers = nn.ModuleList(nn.LSTM(d_model, d_model, bias=False, batch_first=True) for _ in range(n_layer))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(d_model, vocab_size, bias=False)
        nn.init.normal_(self.head.weight, std=1 / d_model)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Compute the logits; the state starts at zero in every context."""
        x_BTD = self.dropout(self.embedding(tokens_BT))
        for layer in self.layers:
            x_BTD = self.dropout(rms_norm(layer(x_BTD)[0], x_BTD.shape[-1:]))
        return self.head(x_BTD)
