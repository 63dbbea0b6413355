"""Trains a small classifier of cell types in plain PyTorch, from any number of AnnData files.

Run it on files of your own:

    python examples/train_classifier.py donor1.h5ad donor2.zarr --label cell_type
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

import anndex

# torch has types for some of this only.
# pyright: reportUnknownMemberType=false


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train a small classifier of cell types in plain PyTorch."
    )
    parser.add_argument("paths", nargs="+", type=Path, help=".h5ad files and .zarr directories")
    parser.add_argument("--label", default="cell_type", help="the column of obs to learn")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--num-workers", type=int, default=0, help="processes that read")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    # The files stay as they are: their genes are joined, and their labels encoded alike.
    with anndex.MappedCollection(
        arguments.paths, obs_keys=arguments.label, dtype="float32"
    ) as mapped:
        train(mapped, arguments.label, arguments.epochs, arguments.num_workers)


def train(mapped: anndex.MappedCollection, label: str, epochs: int, num_workers: int) -> None:
    """Print the mean loss and the share of right answers of each epoch."""
    loader = DataLoader(mapped, batch_size=128, shuffle=True, num_workers=num_workers)
    model = nn.Sequential(
        nn.LayerNorm(mapped.n_vars or 0),
        nn.Linear(mapped.n_vars or 0, 64),
        nn.ReLU(),
        nn.Linear(64, len(mapped.encoders[label])),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        for batch in loader:
            codes: torch.Tensor = batch[label]
            scores: torch.Tensor = model(batch["X"])
            loss = nn.functional.cross_entropy(scores, codes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(codes)
            right += int((scores.argmax(1) == codes).sum())
        n_obs = len(mapped)
        print(f"epoch {epoch}: loss {total / n_obs:.4f}, accuracy {right / n_obs:.3f}")


if __name__ == "__main__":
    main()
