"""A language model that is called as those of well-known libraries are: a dict in, a record out."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from hpml_lab import TrainingStep

VOCABULARY = 1_000


@dataclass
class Output:
    """What the model returns.

    Attributes:
        loss: of predicting each next word, a scalar.
        logits: of shape (batch, words, vocabulary).
    """

    loss: torch.Tensor
    logits: torch.Tensor


class LanguageModel(nn.Module):
    """A transformer that predicts each next word and computes its own loss."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.predict = nn.Linear(width, VOCABULARY)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor
    ) -> Output:
        """Returns the loss and the logits."""
        words = input_ids.shape[1]
        causal = nn.Transformer.generate_square_subsequent_mask(words)
        padding = torch.zeros(attention_mask.shape).masked_fill(attention_mask == 0, -torch.inf)
        hidden = self.layers(
            self.embed(input_ids), mask=causal, src_key_padding_mask=padding, is_causal=True
        )
        logits = self.predict(hidden)
        return Output(functional.cross_entropy(logits.flatten(0, 1), labels.flatten()), logits)


def training(
    batch_size: int = 8,
    words: int = 32,
    width: int = 64,
    layers: int = 2,
    precision: str = "float32",
) -> TrainingStep:
    """Declares the training; every verb takes this function."""
    model = LanguageModel(width, layers)
    tokens = torch.randint(0, VOCABULARY, (batch_size, words + 1))
    batch = {
        "input_ids": tokens[:, :-1],
        "attention_mask": torch.ones(batch_size, words, dtype=torch.long),
        "labels": tokens[:, 1:],
    }
    return TrainingStep(
        model,
        torch.optim.AdamW(model.parameters(), lr=3e-4),
        batch=batch,
        compute_loss=lambda model, batch: model(**batch).loss,
        tokens=batch_size * words,
        precision=precision,
    )
