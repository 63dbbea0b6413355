"""Training in several processes: torch's process groups, and Lightning on top of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anndata as ad
import lightning
import numpy as np
import pandas as pd
import pytest
import torch

from anndex import Loader, MappedCollection

N_OBS, N_VARS, BATCH_SIZE = 200, 12, 16


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two files whose cells know their number."""
    directory = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    found = []
    for number, name in enumerate(("a.h5ad", "b.zarr")):
        cells = np.arange(N_OBS // 2) + number * N_OBS // 2
        adata = ad.AnnData(
            X=rng.poisson(2, (cells.size, N_VARS)).astype("float32"),
            obs=pd.DataFrame(
                {"cell_type": pd.Categorical(rng.choice(["B", "T"], cells.size)), "number": cells},
                index=[f"cell{cell}" for cell in cells],
            ),
        )
        path = directory / name
        if path.suffix == ".zarr":
            adata.write_zarr(path)
        else:
            adata.write_h5ad(path, compression="gzip")
        found.append(str(path))
    return found


def make_loader(paths: list[str]) -> Loader:
    mapped = MappedCollection(paths, obs_keys=["cell_type", "number"], encode_labels=["cell_type"])
    return mapped.loader(BATCH_SIZE, "exact", seed=1)


class Classifier(lightning.LightningModule):
    """A linear classifier that notes which cells it saw in each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(N_VARS, 2)
        self.seen: dict[int, list[int]] = {}

    def training_step(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        self.seen.setdefault(self.current_epoch, []).extend(batch["number"].tolist())
        return torch.nn.functional.cross_entropy(self.layer(batch["X"]), batch["cell_type"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


class Data(lightning.LightningDataModule):
    """Makes the loader where Lightning asks for it, which is after it has started a group."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__()
        self.paths = paths

    def train_dataloader(self) -> Loader:
        return make_loader(self.paths)


def make_trainer(directory: Path, **options: Any) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        default_root_dir=directory,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def test_a_loader_that_has_given_its_last_batch_begins_the_next_epoch(paths: list[str]) -> None:
    whole = make_loader(paths)
    epochs = [[batch["number"].tolist() for batch in whole] for _ in range(2)]
    one = make_loader(paths)
    batches = iter(one)
    for _ in range(len(one)):
        next(batches)
    # It was not asked whether there are more.
    assert one.state_dict()["batch"] == len(one)
    other = make_loader(paths)
    other.load_state_dict(one.state_dict())
    assert [batch["number"].tolist() for batch in other] == epochs[1]


# Lightning starts the script again for the other rank.
LIGHTNING = """
import json, sys
from pathlib import Path

sys.path.insert(0, {tests!r})
import test_distributed as tests
from lightning.pytorch.callbacks import ModelCheckpoint

directory, paths, where, checkpoint = json.loads(sys.argv[1])
directory = Path(directory)
keep_all = ModelCheckpoint(
    directory, filename="{{step}}", every_n_train_steps=1, save_top_k=-1
)
model = tests.Classifier()
trainer = tests.make_trainer(
    directory, strategy="ddp", devices=2, max_epochs=2, callbacks=[keep_all]
)
if where == "argument":
    # Before there is a process group.
    trainer.fit(model, tests.make_loader(paths), ckpt_path=checkpoint)
else:
    trainer.fit(model, datamodule=tests.Data(paths), ckpt_path=checkpoint)
used = trainer.train_dataloader
assert type(used).__name__ == "Loader", used
seen = directory / f"seen-{{trainer.global_rank}}.json"
seen.write_text(json.dumps([model.seen, len(used)]))
"""


def fit_on_two(
    paths: list[str], directory: Path, where: str, checkpoint: str | None = None
) -> list[dict[str, list[int]]]:
    """Train with two processes; give what each of them saw in each epoch."""
    script = directory / "train.py"
    script.write_text(LIGHTNING.format(tests=str(Path(__file__).parent)))
    arguments = json.dumps([str(directory), paths, where, checkpoint])
    subprocess.run(
        [sys.executable, str(script), arguments],
        check=True,
        timeout=300,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    found = []
    for rank in range(2):
        seen, n_batches = json.loads((directory / f"seen-{rank}.json").read_text())
        assert n_batches == -(-N_OBS // 2 // BATCH_SIZE)
        found.append(seen)
    return found


@pytest.mark.parametrize("where", ["argument", "hook"])
def test_lightning_with_two_processes(paths: list[str], tmp_path: Path, where: str) -> None:
    ranks = fit_on_two(paths, tmp_path, where)
    for epoch in ("0", "1"):
        assert sorted(ranks[0][epoch] + ranks[1][epoch]) == list(range(N_OBS))
    assert ranks[0]["0"] != ranks[0]["1"]
    # Seven steps an epoch. The checkpoint is written by rank 0, for both.
    resumed = fit_on_two(paths, tmp_path, where, str(tmp_path / "step=10.ckpt"))
    for rank in range(2):
        assert resumed[rank] == {"1": ranks[rank]["1"][3 * BATCH_SIZE :]}


GLOO = """
import json, sys
import torch, torch.distributed as distributed

sys.path.insert(0, {tests!r})
import test_distributed as tests

rank, store, paths = json.loads(sys.argv[1])
loader = tests.make_loader(paths)
distributed.init_process_group("gloo", init_method=f"file://{{store}}", rank=rank, world_size=2)
net = torch.nn.Linear(tests.N_VARS, 2)
model = torch.nn.parallel.DistributedDataParallel(net)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

def train(batches):
    seen = []
    for batch in batches:
        loss = torch.nn.functional.cross_entropy(model(batch["X"]), batch["cell_type"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += batch["number"].tolist()
    return seen

first = train(loader)
epoch = iter(loader)
second = train(next(epoch) for _ in range(3))
epoch.close()
# That of rank 0, as in a checkpoint.
states = [loader.state_dict()]
distributed.broadcast_object_list(states)
resumed = tests.make_loader(paths)
resumed.load_state_dict(states[0])
second += train(resumed)
weights = [parameter.detach().tolist() for parameter in net.parameters()]
print(json.dumps([first, second, weights]))
"""


def test_ranks_of_a_process_group_resume_together(paths: list[str], tmp_path: Path) -> None:
    script = GLOO.format(tests=str(Path(__file__).parent))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, json.dumps([rank, str(tmp_path / "store"), paths])],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    results = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    for epoch in range(2):
        assert sorted(results[0][epoch] + results[1][epoch]) == list(range(N_OBS))
    assert results[0][2] == results[1][2], "gradients were shared"


UNEVEN = """
import json, sys
import torch, torch.distributed as distributed

sys.path.insert(0, {tests!r})
import test_distributed as tests
from anndex import MappedCollection, errors

rank, store, paths = json.loads(sys.argv[1])
distributed.init_process_group("gloo", init_method=f"file://{{store}}", rank=rank, world_size=2)
mapped = MappedCollection(paths, obs_keys="number", encode_labels=False)

def epoch(loader):
    found = []
    for batch in loader:
        # Hangs if the other rank has no more.
        distributed.all_reduce(torch.ones(1))
        found.append(batch["number"].tolist())
    return [len(loader), found]

def resumed(loader):
    batches = iter(loader)
    first = next(batches)["number"].tolist()
    states = [loader.state_dict()]
    batches.close()
    distributed.broadcast_object_list(states)
    other = mapped.loader(64, sampler=list(range(129)))
    other.load_state_dict(states[0])
    found = [first] + [batch["number"].tolist() for batch in other]
    distributed.all_reduce(torch.ones(1))
    return [len(other), found]

refused = []
for options in (dict(sampler=list(range(129))), dict(sampler=[7])):
    try:
        mapped.loader(1, **options)
    except errors.InvalidInputError as error:
        refused.append(str(error))
try:
    sampler = torch.utils.data.DistributedSampler(mapped)
    mapped.loader(64, sampler=sampler)
except errors.InvalidInputError as error:
    refused.append(str(error))
print(json.dumps([
    epoch(mapped.loader(64, sampler=list(range(129)))),
    epoch(mapped.loader(64, sampler=torch.utils.data.SequentialSampler(range(129)))),
    epoch(mapped.loader(33, "exact", seed=2)),
    epoch(mapped.loader(64, sampler=list(range(129)), drop_last=True)),
    resumed(mapped.loader(64, sampler=list(range(129)))),
    refused,
]))
"""


def test_ranks_have_as_many_batches_and_every_observation_once(
    paths: list[str], tmp_path: Path
) -> None:
    script = UNEVEN.format(tests=str(Path(__file__).parent))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, json.dumps([rank, str(tmp_path / "store"), paths])],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    one, other = (json.loads(process.communicate(timeout=300)[0]) for process in processes)

    def check(case: int, sizes: list[list[int]], seen: list[int]) -> None:
        for (length, batches), expected in zip((one[case], other[case]), sizes, strict=True):
            assert length == len(batches) and [len(batch) for batch in batches] == expected
        assert sorted(sum(one[case][1] + other[case][1], [])) == seen

    for case in (0, 1, 4):
        check(case, [[63, 1], [64, 1]], list(range(129)))
    check(2, [[33, 33, 33, 1]] * 2, list(range(N_OBS)))
    check(3, [[64], [64]], [*range(64), *range(64, 128)])
    for refused in (one[5], other[5]):
        assert len(refused) == 3
        assert all("drop_last" in message for message in refused[:2])
        assert "DistributedSampler" in refused[2]
