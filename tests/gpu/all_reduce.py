"""Run by torchrun: add up ones by NCCL on GPUs or gloo on a CPU, with one process too; then train, if told what."""

import os
import runpy
import sys

import torch
import torch.distributed as dist

device = sys.argv[1]
if device == "cuda":
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
dist.init_process_group("nccl" if device == "cuda" else "gloo")
ones = torch.ones(1 << 20, device=device)
dist.all_reduce(ones)
agree = bool((ones == dist.get_world_size()).all())
dist.destroy_process_group()
if not agree:
    sys.exit("the sums differ")
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__")
