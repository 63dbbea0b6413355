"""The loader as the training data of a Lightning `Trainer`: epochs, and resuming inside one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import lightning
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import RandomSampler

from anndex import MappedCollection

N_OBS, N_VARS, BATCH_SIZE = 203, 12, 16


@pytest.fixture
def mapped(tmp_path: Path) -> MappedCollection:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, N_OBS)
    counts = rng.poisson(1 + 3 * labels[:, None], (N_OBS, N_VARS)).astype("float32")
    # Tells observations apart.
    counts[:, 0] = np.arange(N_OBS)
    adata = ad.AnnData(
        X=counts,
        obs=pd.DataFrame(
            {"label": pd.Categorical(labels.astype(str))},
            index=[f"cell{i}" for i in range(N_OBS)],
        ),
    )
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return MappedCollection([tmp_path / "cells.h5ad"], obs_keys="label")


class Classifier(lightning.LightningModule):
    """Logistic regression that notes which observations it saw in each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(N_VARS - 1, 2)
        self.seen: dict[int, list[int]] = {}
        self.losses: dict[int, list[float]] = {}

    def training_step(self, batch: dict[str, Any], _batch_index: int) -> torch.Tensor:
        values = batch["X"]
        seen = self.seen.setdefault(self.current_epoch, [])
        seen += [int(number) for number in values[:, 0].tolist()]
        loss = torch.nn.functional.cross_entropy(self.linear(values[:, 1:]), batch["label"])
        self.losses.setdefault(self.current_epoch, []).append(loss.item())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


class SavesAt(lightning.Callback):
    """Saves a checkpoint after so many batches."""

    def __init__(self, step: int, path: Path) -> None:
        super().__init__()
        self.step = step
        self.path = path

    def on_train_batch_end(
        self, trainer: lightning.Trainer, *_arguments: Any, **_named: Any
    ) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def trainer(directory: Path, **options: Any) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=directory,
        **options,
    )


def test_every_epoch_has_all_observations_in_another_order(
    mapped: MappedCollection, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = Classifier()
    loader = mapped.loader(BATCH_SIZE, "exact", seed=3)
    trainer(tmp_path, max_epochs=4).fit(model, loader)
    assert list(model.seen) == [0, 1, 2, 3]
    for seen in model.seen.values():
        assert sorted(seen) == list(range(N_OBS))
    assert len({tuple(seen) for seen in model.seen.values()}) == 4
    assert np.mean(model.losses[3]) < 0.7 * np.mean(model.losses[0])


def test_a_checkpoint_resumes_in_the_middle_of_an_epoch(
    mapped: MappedCollection, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    whole = Classifier()
    saving = SavesAt(-(-N_OBS // BATCH_SIZE) + 4, tmp_path / "middle.ckpt")
    trainer(tmp_path, max_epochs=2, callbacks=[saving]).fit(
        whole, mapped.loader(BATCH_SIZE, "exact", seed=3)
    )
    resumed = Classifier()
    trainer(tmp_path, max_epochs=2).fit(
        resumed, mapped.loader(BATCH_SIZE, "exact", seed=3), ckpt_path=saving.path
    )
    assert resumed.seen == {1: whole.seen[1][4 * BATCH_SIZE :]}
    for own, expected in zip(resumed.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(own, expected)


@pytest.mark.parametrize("options", [{}, {"sampler": [5, 3, 9, *range(100, 150)]}])
def test_overfitting_has_the_same_observations_in_each_epoch(
    mapped: MappedCollection, tmp_path: Path, options: dict[str, Any]
) -> None:
    model = Classifier()
    loader = mapped.loader(BATCH_SIZE, **options)
    trainer(tmp_path, max_epochs=3, overfit_batches=2).fit(model, loader)
    expected = list(options.get("sampler", range(N_OBS)))[: 2 * BATCH_SIZE]
    assert list(model.seen.values()) == [expected] * 3


def test_overfitting_refuses_a_loader_that_is_shuffled(
    mapped: MappedCollection, tmp_path: Path
) -> None:
    for options in ({"shuffle": "exact"}, {"sampler": RandomSampler(range(N_OBS))}):
        loader = mapped.loader(BATCH_SIZE, **options)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"Loader\(.* needs to subclass"):
            trainer(tmp_path, max_epochs=3, overfit_batches=2).fit(Classifier(), loader)
