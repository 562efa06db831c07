"""The sections of a report on its data: who is in it, examples, and what an audit finds."""

from __future__ import annotations

import numpy as np

from benchmark.audit import audit_dataset
from benchmark.datasets.base import Dataset
from benchmark.datasets.case_table import make_case_table
from benchmark.datasets.stored import open_dataset
from benchmark.errors import StorageError
from benchmark.reporting.plots.contact_sheet import COLUMNS, draw_contact_sheet
from benchmark.reporting.plots.plot import Plot
from benchmark.reporting.report.audit_section import LEAKS, draw_audit_sheets, tabulate_findings
from benchmark.reporting.report.blocks import (
    Block,
    Section,
    Texts,
    draw_figures,
    make_table_block,
)
from benchmark.reporting.report.source import ReportSource
from benchmark.reporting.row_problems import list_group_notes

MOST_EXAMPLES = 24  # images that are shown of a dataset


def describe_data(source: ReportSource) -> Section:
    """The first table of a paper, images of each class, groups, and what a reader must know."""
    blocks: list[Block] = []
    for name, record in source.records.items():
        fingerprints = source.rows.loc[source.rows["dataset"] == name, "fingerprint"]
        dataset = _open_images(source, fingerprints.iloc[0])
        if dataset is not None:
            table = make_case_table(dataset)
            blocks.append(make_table_block(name, table))
            blocks += draw_figures([_draw_examples(name, dataset)])
        else:
            counts = record.images["class"].value_counts().rename_axis("class")
            blocks.append(make_table_block(name, counts.reset_index(name="images")))
        own = source.rows[source.rows["dataset"] == name]
        about = [
            f"{column.capitalize()}: {values.iloc[0]}"
            for column in ("licence", "citation")
            if column in own and len(values := own[column].dropna())
        ]
        notes = [*source.list_leaks(own), *list_group_notes(own)]
        if dataset is None:
            notes.append("Its images are no longer in the results folder.")
        if about or notes:
            blocks.append(Texts([*notes, *about]))
    return Section("data", "Data", blocks)


def audit_data(source: ReportSource) -> Section:
    """What an audit finds in the datasets whose images are still in the results folder."""
    blocks: list[Block] = []
    for name in source.records:
        fingerprints = source.rows.loc[source.rows["dataset"] == name, "fingerprint"]
        dataset = _open_images(source, fingerprints.iloc[0])
        if dataset is None:
            blocks.append(Texts([f"{name}: its images are no longer in the results folder"]))
            continue
        audited = audit_dataset(dataset)
        blocks.append(make_table_block(name, tabulate_findings(audited), [LEAKS]))
        blocks += draw_figures(draw_audit_sheets(audited))
    return Section("audit", "Audit of the data", blocks)


def _open_images(source: ReportSource, fingerprint: str) -> Dataset | None:
    stored = source.view.read_record(fingerprint).stored
    try:
        return open_dataset(source.view.folder.images / stored).own
    except StorageError:  # it was removed, or the folder was merged
        return None


def _draw_examples(name: str, dataset: Dataset) -> Plot:
    """Draw a few images of each class."""
    generator = np.random.default_rng(0)
    each = max(1, min(COLUMNS, MOST_EXAMPLES // len(dataset.classes)))
    chosen, texts = [], []
    for k, label in enumerate(dataset.classes):
        members = dataset.targets[:, k] == 1 if dataset.multilabel else dataset.targets == k
        indices = generator.permutation(np.flatnonzero(members))[:each]
        chosen += indices.tolist()
        texts += [f"{dataset.image_ids[i]}\n{label}" for i in indices]
    chosen, texts = chosen[:MOST_EXAMPLES], texts[:MOST_EXAMPLES]
    title = f"{name}: images of each class, chosen at random"
    return draw_contact_sheet("examples", title, "", dataset.images[chosen], texts)
