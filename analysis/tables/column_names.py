"""What columns of other people's tables are for, by their names: runs, seeds, states, steps, results."""

import re
from collections.abc import Iterable

LABELS = ("run", "name", "runname", "displayname", "tagsmlflowrunname", "experiment", "expname")
LABELS += ("experimentname", "id", "runid", "uuid", "jobid", "fingerprint")
SEEDS = (
    "seed",
    "seeds",
    "randomseed",
    "rngseed",
    "globalseed",
    "dataseed",
    "initseed",
    "modelseed",
    "replicate",
    "rep",
)
STATES = ("state", "status", "runstate", "runstatus", "jobstate", "jobstatus", "finalstate", "finalstatus")
PROGRESS = ("step", "globalstep", "iter", "iteration", "checkpoint", "ckpt", "trainstep", "trainglobalstep")
SETTINGS = ("lr", "learningrate", "maxlr", "peaklr", "batch", "batchsize", "batchtokens", "bs", "warmup", "warmupsteps")
SETTINGS += ("weightdecay", "wd", "beta1", "beta2", "optimizer", "schedule", "scheduler", "dropout", "width", "depth")
_RESULT = re.compile(
    r"loss|perplex|ppl|acc|score|error|bpb|bpc|bits|nats|time|runtime|duration|elapsed|wall|second|hour|throughput"
    r"|persec|perstep|mfu|created|updated|started|ended|date|host|node|gpu|user|commit|git|notes|path|file|dir|url"
    r"|memory|gradnorm|gradsq|gradtrace|noisescale|flop|tags|group|index|unnamed|curve|history",
)


def plain(name: object) -> str:
    """A name without case and marks: "Run ID" and "run_id" are one."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def last_part(name: object) -> str:
    """Plain last part of a dotted name or path: config.seed, train/lr."""
    return plain(re.split(r"[./]", str(name))[-1])


def labels(names: Iterable[str]) -> list[str]:
    """The columns that name runs, those before identities; config.optim.name is none."""
    return sorted((name for name in names if plain(name) in LABELS), key=lambda name: LABELS.index(plain(name)))


def all_called(names: Iterable[str], known: tuple[str, ...]) -> list[str]:
    """The columns of which the name, or its last part, is known."""
    return [name for name in names if plain(name) in known or last_part(name) in known]


def is_result(name: str) -> bool:
    """Whether a column holds what came out of a run, as all of wandb's summary does, or where and when it ran."""
    if str(name).startswith("summary."):
        return True
    return bool(_RESULT.search(plain(name))) and last_part(name) not in SETTINGS


def is_index(name: str) -> bool:
    """Whether a column numbers the rows, as pandas writes one."""
    return name == "" or plain(name).startswith("unnamed") or plain(name) in ("index", "row", "levelzero")
