"""A progress bar while documents are read."""

from collections.abc import Iterable, Iterator

from scaling_harness.data.corpus import Document


def with_progress_bar(documents: Iterable[Document], what: str) -> Iterator[Document]:
    """Yield the documents and show how many bytes were read, if stderr is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        for document in documents:
            yield document
            progress.advance(task, len(document.text))
