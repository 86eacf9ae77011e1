"""The verb `sweep probe`."""

import json
from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json, add_planned_sweep, planned

HELP = "time some steps on the sweep's machines and predict its hours"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_planned_sweep(parser)
    parser.add_argument("--again", action="store_true", help="repeat the probe if there was one before")
    add_json(parser)


def run(args: Namespace) -> int:
    """Time the smallest and the largest run, and print how long the rest of the sweep will take."""
    import dataclasses

    from sweeps.launchers.launch import launch_probe
    from sweeps.timing import cost
    from sweeps.timing.probe import PROBE_FILE, read_probe

    manifest, store = planned(args, args.name)
    sweep_dir = store.sweep_dir(manifest.name)
    if args.again:
        (sweep_dir / PROBE_FILE).unlink(missing_ok=True)
    probe = read_probe(sweep_dir) or launch_probe(manifest, store)
    finished = cost.compare_with_probe(sweep_dir, manifest.jobs, store)
    left = cost.without_finished(manifest.jobs, store)
    launcher, runtime = manifest.launcher, manifest.runtime
    remaining = cost.remaining_cost(left, probe.speed, launcher.runs_at_once(runtime), launcher.devices(runtime))
    if args.json:
        document = {**remaining, "finished": finished and {**vars(finished), "error": finished.error}}
        print(json.dumps({"name": manifest.name, "probe": dataclasses.asdict(probe), **document}))
    else:
        print(
            cost.remaining_sentence(remaining, probe), *([cost.check_sentence(finished)] if finished else []), sep="\n"
        )
    return 0
