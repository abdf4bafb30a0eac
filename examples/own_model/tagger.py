"""A model, its optimizer and its loader, as a project of one's own has them."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from hpml_lab import TrainingStep


class Tagger(nn.Module):
    """Names the kind of every word: embedding, two-way GRU, linear.

    Args:
        words: size of the vocabulary.
        kinds: how many there are to tell apart.
    """

    def __init__(self, words: int = 5_000, kinds: int = 17) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, 64)
        self.read = nn.GRU(64, 64, batch_first=True, bidirectional=True)
        self.tell = nn.Linear(128, kinds)

    def forward(self, sentences: torch.Tensor) -> torch.Tensor:
        """Returns logits (sentences, kinds, words in a sentence)."""
        features, _ = self.read(self.embed(sentences))
        return self.tell(features).transpose(1, 2)


class Sentences(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """2,048 made-up sentences of 20 words."""

    def __len__(self) -> int:
        return 2_048

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        words = torch.randint(0, 5_000, (20,), generator=torch.Generator().manual_seed(index))
        return words, words % 17


def loader(batch_size: int = 64, workers: int = 0) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """Returns the batches of an epoch."""
    timeout = 60 if workers else 0
    return DataLoader(Sentences(), batch_size, shuffle=True, num_workers=workers, timeout=timeout)


def training(batch_size: int = 64, workers: int = 0, precision: str = "float32") -> TrainingStep:
    """Declares the training; every verb takes this function."""
    model = Tagger()
    return TrainingStep(
        model,
        torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01),
        cross_entropy,
        loader=loader(batch_size, workers),
        tokens=20 * batch_size,
        precision=precision,
    )
