"""Options that several verbs have."""

from typing import Annotated

import typer

Style = Annotated[
    str, typer.Option(help="Speaking style: NAME, a blend like warm=0.7,happiness=0.3, or a clip: CLIP.csv, CLIP.npz.")
]
Schedule = Annotated[
    str | None, typer.Option(help="Spacing of the solver's times: cosine, with small steps at first, or uniform.")
]
