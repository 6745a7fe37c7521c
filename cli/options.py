"""The options that many commands share."""

from typing import Annotated, TypeAlias

import typer

StageName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--stage",
        metavar="NAME",
        help="The stage to talk to. (default: the local stack if one runs here, else prod)",
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
ApiKeyStdin: TypeAlias = Annotated[
    bool,
    typer.Option("--api-key-stdin", help="Read the API key from standard input instead of MAILBEARER_API_KEY."),
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
