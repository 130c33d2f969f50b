"""Own text into a corpus: `import`."""

from __future__ import annotations

from typing import Annotated

import typer

from webtext.commands.options import (
    AcceptLoss,
    Address,
    AsJson,
    BeamOption,
    Engine,
    Folder,
    Redo,
    Workers,
    engine_of,
    given,
    open_corpus,
    print_reports,
)

commands = typer.Typer()


@commands.command(
    name="import",
    epilog="Examples:\nwebtext import my-corpus articles.parquet more.jsonl.zst\n"
    "webtext import my-corpus books/ --text-column body --id-column isbn",
)
def import_(
    corpus: Folder,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, globs, folders.")],
    text_column: Annotated[
        str | None, typer.Option("--text-column", help="The column of texts. Default: text.")
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id-column", help="Of ids; none: no column. Default: id.")] = None,
    url_column: Annotated[
        str | None, typer.Option("--url-column", help="Of addresses; none: no column. Default: url.")
    ] = None,
    rules: Annotated[
        bool | None,
        typer.Option("--rules/--no-rules", help="Apply the rules of [extract] (language, length, quality) to rows."),
    ] = None,
    workers: Workers = None,
    engine: Engine = None,
    address: Address = None,
    beam_option: BeamOption = None,
    redo: Redo = False,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Make documents of your own text (documents/) instead of a crawl.

    Parquet, Arrow, JSON lines (also .gz and .zst), text and Markdown (a file is a document), WARC (its pages are
    extracted), and folders as Hugging Face's datasets saves them. A row is known by its address, else its id, else its
    text; other columns ride along. Files add up. Then: dedup, tokenize, train.
    """
    values = given(text_column=text_column, id_column=id_column, url_column=url_column, apply_rules=rules)
    on = engine_of(engine, address, beam_option)
    report = open_corpus(corpus).import_files(
        *files, workers=workers, engine=on, redo=redo, accept_loss=accept_loss, **values
    )
    print_reports([report], as_json)
