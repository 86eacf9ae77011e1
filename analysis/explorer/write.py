"""Write the page: laws as JSON, styles, scripts and the plotting library in one file that asks for nothing else."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from analysis.explorer.page_laws import page_laws
from analysis.explorer.toy_runs import toy_document
from analysis.forecasting.source import Source
from analysis.validation.discrepancy import TAU
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import write_text


def write_explorer(path: Path, fits: Sequence[Source] = ()) -> Path:
    """Write a page with sliders, of published laws and the fits given.

    Parameters
    ----------
    path : Path
        HTML file to write.
    fits : sequence of Source
        See `analysis.forecasting.source.open_source`.

    Returns
    -------
    Path
        The same.

    Raises
    ------
    UserError
        A law without an N_opt for a budget, or a path that cannot be written.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder: name a file to write, such as {path / 'explorer.html'}")
    document = {"laws": page_laws(fits), "toy": toy_document(), "tau": TAU}
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(str(_file("page.html.j2")))
    write_text(path, template.render(data=document, n_fits=len(fits), file=_file))
    return path


def _file(name: str) -> Markup:
    """Text of a file of this room, put into the page as it is."""
    return Markup(resources.files("analysis.explorer").joinpath(name).read_text(encoding="utf-8"))
