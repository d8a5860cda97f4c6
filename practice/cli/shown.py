"""``practice runs show``: each kind of run as its own command shows it at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from practice.cli.common import print_json

if TYPE_CHECKING:
    from practice.config import Workspace
    from practice.document import Document
    from practice.records import RunRow
    from practice.store import Store


def show_run(store: Store, row: RunRow, place: Workspace, *, as_json: bool) -> None:
    """The panel of a run that has come to an end, or what its command's ``--json`` prints."""
    from practice.document import Document
    from practice.records import find_notes

    document = Document.model_validate(row.document)
    notes = store.now(lambda db: find_notes(db, row.id))
    kind = row.fields.get("kind")
    if kind == "overfit" and "overfit" in notes:
        _overfit(notes["overfit"], place, as_json=as_json)
    elif kind == "eval":
        _evaluation(document, as_json=as_json)
    elif kind == "judge" and "tally" in notes:
        _judging(document, notes, as_json=as_json)
    elif kind == "sample" and "prediction" in notes:
        _sample(document, notes["prediction"], as_json=as_json)
    elif as_json:
        print_json(document)
    else:
        from practice.cli.panel import closing_panel

        closing_panel(document, place)


def _overfit(found: object, place: Workspace, *, as_json: bool) -> None:
    from practice.cli.overfit import panel
    from practice.overfit import Overfit

    document = Overfit.model_validate(found)
    print_json(document) if as_json else panel(document, place)


def _evaluation(document: Document, *, as_json: bool) -> None:
    from practice.cli.panel import evaluation_panel

    if as_json:
        print_json(document.model_dump(mode="json", exclude={"edits"}))
    else:
        evaluation_panel(document)


def _judging(document: Document, notes: dict[str, Any], *, as_json: bool) -> None:
    """One line an evaluator; below it the stability that was last found in these verdicts, where it was asked for."""
    from practice.cli.judging import tally_table
    from practice.judging import Tally

    tally = Tally.model_validate(notes["tally"])
    stability = notes.get("stability")
    if as_json:
        parts = {"run_id": document.run_id, "status": document.status, **tally.model_dump(mode="json")}
        print_json({**parts, "stability": stability, "usage": document.usage.model_dump(mode="json")})
        return
    tally_table(tally, document)
    if stability is not None:
        from practice.cli.stability import show
        from practice.stability import StabilityReport

        show(StabilityReport.model_validate(stability["report"]), stability["name"])


def _sample(document: Document, found: object, *, as_json: bool) -> None:
    from practice.cli.panel import rows_panel
    from practice.cli.predicted import prediction_rows
    from practice.prediction import Prediction

    prediction = Prediction.model_validate(found)
    if as_json:
        print_json({"run_id": document.run_id, "status": document.status, "prediction": prediction.model_dump()})
    else:
        rows_panel(prediction_rows(prediction, document), title=f"{document.run_id}: sample, {document.status}")
