"""Small workloads on sequences: recurrent ones, attention, a language model."""

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from support.workloads.parts import CLASSES, TIME, WIDTH, own, pair, words


class Recurrent(nn.Module):
    """A recurrent layer and a head on its last output."""

    def __init__(self, kind, **options):
        super().__init__()
        self.layer = kind(WIDTH, 12, batch_first=True, **options)
        self.head = nn.Linear(24 if options.get("bidirectional") else 12, CLASSES)

    def forward(self, inputs):
        return self.head(self.layer(inputs)[0][:, -1])


def recurrent(batch_size=4, kind=nn.LSTM, **options):
    """Of some layers, directions and dropout."""
    inputs = torch.randn(batch_size, TIME, WIDTH)
    labels = torch.randint(0, CLASSES, (batch_size,))
    return pair(Recurrent(kind, **options), (inputs, labels))


def packed(batch_size=4):
    """Sequences of other lengths, packed."""
    layer = nn.LSTM(WIDTH, 12)
    lengths = torch.arange(TIME, TIME - batch_size, -1)
    inputs = torch.randn(TIME, batch_size, WIDTH)

    def loss(model, batch):
        return model(pack_padded_sequence(batch, lengths))[0].data.square().mean()

    return own(layer, inputs, loss, samples=batch_size)


def cells(batch_size=4):
    """A cell called once a word."""
    cell = nn.LSTMCell(WIDTH, 12)

    def loss(model, batch):
        state = None
        for word in batch.unbind(1):
            state = model(word, state)
        return state[0].square().mean()

    return own(cell, torch.randn(batch_size, TIME, WIDTH), loss)


class Attention(nn.Module):
    """Scaled dot products of a projection with itself."""

    def __init__(self, dropout=0.0, mask=None):
        super().__init__()
        self.project, self.dropout, self.mask = nn.Linear(WIDTH, 3 * WIDTH), dropout, mask
        self.bias = nn.Parameter(torch.zeros(TIME, TIME)) if mask == "learnt" else None

    def forward(self, inputs):
        query, key, value = (
            part.unflatten(-1, (2, -1)).transpose(1, 2)
            for part in self.project(inputs).chunk(3, -1)
        )
        reported = self.bias
        if self.mask == "boolean":
            reported = torch.ones(TIME, TIME, dtype=torch.bool, device=inputs.device).tril()
        mixed = functional.scaled_dot_product_attention(
            query, key, value, reported, self.dropout, is_causal=self.mask == "causal"
        )
        return mixed.transpose(1, 2).flatten(2)


def attention(batch_size=4, dropout=0.0, mask=None):
    """One layer of it."""
    inputs = torch.randn(batch_size, TIME, WIDTH)
    return own(Attention(dropout, mask), inputs, lambda model, batch: model(batch).square().mean())


def strided_attention(batch_size=4):
    """Values whose last dimension is not the innermost one."""
    model = nn.Linear(WIDTH, WIDTH)

    def loss(model, batch):
        query = model(batch).unflatten(-1, (2, -1)).transpose(1, 2)
        value = query.transpose(-1, -2).contiguous().transpose(-1, -2)
        return functional.scaled_dot_product_attention(query, query, value).square().mean()

    return own(model, torch.randn(batch_size, TIME, WIDTH), loss)


def multihead(batch_size=4, need_weights=True):
    """With the attention's weights, or without."""
    model = nn.MultiheadAttention(WIDTH, 2, dropout=0.1, batch_first=True)

    def loss(model, batch):
        return model(batch, batch, batch, need_weights=need_weights)[0].square().mean()

    return own(model, torch.randn(batch_size, TIME, WIDTH), loss)


class Tied(nn.Module):
    """A language model whose head is its embedding."""

    def __init__(self, vocabulary=20):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, 32, batch_first=True, norm_first=True)
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.layer(self.embedding(tokens))).flatten(0, 1)


def tied(batch_size=4, dtype=torch.float32, **options):
    """Next words."""
    model = Tied().to(dtype)
    inputs, targets = words(batch_size)
    return pair(
        model, (inputs, targets), lambda o, t: functional.cross_entropy(o, t.flatten()),
        torch.optim.AdamW(model.parameters()), **options,
    )  # fmt: skip


class Encoder(nn.Module):
    """Two copies of a layer over words, of which those that fill up are left out."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, WIDTH, padding_idx=0)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 24, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, numbers):
        left_out = numbers == 0
        mixed = self.layers(self.words(numbers), src_key_padding_mask=left_out)
        return self.head(mixed.masked_fill(left_out[..., None], 0).mean(1))


def encoder(batch_size=4):
    """Sentences into classes."""
    numbers = torch.randint(1, 20, (batch_size, TIME))
    return pair(Encoder(), (numbers, torch.randint(0, CLASSES, (batch_size,))))


class Translator(nn.Module):
    """An encoder, and a decoder that sees no later word."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, WIDTH)
        self.layers = nn.Transformer(WIDTH, 2, 2, 2, 24, batch_first=True)
        self.head = nn.Linear(WIDTH, 20)

    def forward(self, numbers):
        mask = nn.Transformer.generate_square_subsequent_mask(numbers.shape[1])
        words = self.words(numbers)
        return self.head(self.layers(words, words, tgt_mask=mask)).flatten(0, 1)


def translator(batch_size=4):
    """Sentences into sentences."""
    numbers, others = words(batch_size)
    return pair(Translator(), (numbers, others.flatten()))


class Rotary(nn.Module):
    """Attention whose positions are turned angles, with a gated layer and a norm without a mean."""

    def __init__(self):
        super().__init__()
        self.words, self.norm = nn.Embedding(20, WIDTH), nn.RMSNorm(WIDTH)
        self.project = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.gated = nn.Linear(WIDTH, 2 * WIDTH)
        self.head = nn.Linear(WIDTH, 20)

    def forward(self, numbers):
        words = self.words(numbers)
        half = WIDTH // 2
        angles = torch.outer(torch.arange(numbers.shape[1]), 10.0 ** -torch.arange(0, 1, 1 / half))
        sine, cosine = (torch.cat([f(angles)] * 2, -1) for f in (torch.sin, torch.cos))
        query, key, value = self.project(self.norm(words)).chunk(3, -1)
        query, key = (
            x * cosine + torch.cat([-x[..., half:], x[..., :half]], -1) * sine for x in (query, key)
        )
        words = words + functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        gate, kept = self.gated(words).chunk(2, -1)
        return self.head(functional.silu(gate) * kept).flatten(0, 1)


def rotary(batch_size=4):
    """A language model of this decade."""
    numbers, others = words(batch_size)
    return pair(Rotary(), (numbers, others.flatten()))
