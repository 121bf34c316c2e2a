"""Two processes that train one model, as under `torchrun --nproc_per_node=2`: one run, made by rank 0."""

import os
import subprocess
import sys

if "LOCAL_RANK" not in os.environ:  # started by hand: start it again by torch's launcher
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", __file__]
    done = subprocess.run(launcher, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False, stderr=subprocess.PIPE)
    if done.returncode:
        sys.stderr.write(done.stderr.decode(errors="replace"))
    sys.exit(done.returncode)

import fitscribe

fitscribe.autolog()  # on every rank, unguarded

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

dist.init_process_group("gloo")
torch.manual_seed(0)
x = torch.randn(512, 4)
data = TensorDataset(x, x.sum(dim=1, keepdim=True))
loader = DataLoader(data, batch_size=32, sampler=DistributedSampler(data))
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(3):
    loader.sampler.set_epoch(epoch)
    for points, sums in loader:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(points), sums).backward()
        optimizer.step()

rank = dist.get_rank()
dist.barrier()
dist.destroy_process_group()
if rank == 0:
    fitscribe.flush()
    runs = fitscribe.search_runs(output_format="list", filter_string="tags.`mlflow.autologging` = 'torch'")
    params, metrics = runs[0].data.params, runs[0].data.metrics
    print(f"world_size = {params['world_size']}, wrapped in {params['model_wrapper']}, sampler {params['sampler']}")
    print("runs:", len(runs), "| last loss below the first:", metrics["loss"] < 1)
