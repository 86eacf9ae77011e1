"""The runs of a design as a sweep: their models before it is chosen, and its file after."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import composed
from scaling_harness.cli._planned_run import CONF, depth_rule
from scaling_harness.config.as_overrides import differences
from scaling_harness.errors import UserError
from scaling_harness.plan.shape_for_size import nearest, shapes_of
from scaling_harness.plan.sized_run import vocab_size_of
from scaling_harness.record.sweep_listing import SweepListing
from sweeps.planning.designed_sweep import added_to, design_grids, designed_sweep
from sweeps.planning.expand import expand
from sweeps.planning.next_rung import write_sweep_file
from sweeps.planning.recipe import recipe_of

if TYPE_CHECKING:
    from analysis.design.candidates import Sizes
    from analysis.design.wave import Wave


def sizes_near(args: Namespace, listing: SweepListing | None) -> "Sizes":
    """What finds models near wanted sizes: those of the recipe; of runs that say none, any."""
    from analysis.design.wave import any_size, sizes_of

    if listing is None:
        return any_size
    recipe = recipe_of(listing)
    rule = recipe.n_layer or depth_rule(recipe.config.optim.lr)
    shapes = shapes_of(recipe.config.model, vocab_size_of(recipe.config.data), rule, recipe.aspect)

    def near(n_params: float) -> tuple[float, int, int]:
        shape = shapes[nearest(shapes, n_params, args.count)]
        return float(shape.n_params[args.count]), shape.model.n_layer, shape.model.d_model

    return sizes_of(near)


def write_design(args: Namespace, wave: "Wave", listing: SweepListing | None, first_seed: int) -> Path:
    """Write the wave as a sweep that can be trained, added to that of the runs so far if its file is known."""
    if listing is None:
        raise UserError(
            f"{args.like} does not say how its runs are configured, so that none can be written: no --write"
        )
    so_far = None if args.alone else _sweep_so_far(args, listing.name)
    recipe = differences(recipe_of(listing).config)
    question = f"Is {wave.target} known within {wave.target.words(wave.total)} by these runs, as calculated?"
    cells = wave.table()[["budget", "n_layer", "d_model", "added"]].to_numpy(float).tolist()
    grids = design_grids([(C, (int(n), int(d)), int(k)) for C, n, d, k in cells], first_seed, args.count)
    sweep = designed_sweep(args.write, question, grids, alone=so_far is None)
    jobs = expand(added_to(so_far, sweep) if so_far else {**_composed(args, *recipe.overrides()), "sweep": sweep})
    folder = args.config_dir or CONF
    comments = {
        "Question": question,
        "Command": f"scaling-harness sweep run {args.write} --config-dir {folder}",
        "Runs": str(sum(len(job.runs) for job in jobs)),
        "FLOPs": f"{sum(job.train_flops for job in jobs):.3g}",
        "Predicted": f"a half-width of {wave.target.words(wave.total)} of {wave.target} (`sweep design`)",
        "Answer": "not trained yet",
    }
    return write_sweep_file(folder, listing.name if so_far else recipe, sweep, comments)


def _sweep_so_far(args: Namespace, name: str) -> dict[str, Any] | None:
    """The sweep of the runs so far, to which grids can be added; None without its file, or if its grids are a list."""
    try:
        document = _composed(args, f"sweep={name}")
    except UserError:
        return None
    return document if isinstance(document["sweep"]["grids"], Mapping) else None


def _composed(args: Namespace, *words: str) -> dict[str, Any]:
    """Compose without the folder if it is yet to be made, and with the default folder of runs."""
    there = args.config_dir if args.config_dir and args.config_dir.is_dir() else None
    return composed(Namespace(overrides=[], config_dir=there, runs_dir=None), *words)
