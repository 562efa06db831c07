"""The page of an audit: what was found in a dataset, with the images to judge it by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmark.audit import Audit, Finding
from benchmark.datasets.base import Dataset, describe_dataset
from benchmark.datasets.case_table import make_case_table
from benchmark.reporting.plots.contact_sheet import draw_contact_sheet
from benchmark.reporting.plots.plot import Plot
from benchmark.reporting.report.blocks import (
    Block,
    Section,
    Texts,
    draw_figures,
    make_table_block,
)
from benchmark.reporting.table_intervals import format_mean

MOST_PAIRS, MOST_IMAGES = 12, 24  # on one sheet
LEAK, NO_LEAK = "yes", ""
LEAKS = (
    "A leak makes results look better than they are: copies of test images may be trained on, or "
    "the class can be told from something other than the content of the images. Nothing was "
    "changed or left out."
)


def make_audit_sections(audit: Audit) -> list[Section]:
    """Make the sections of the page of an audit."""
    dataset = audit.dataset
    blocks: list[Block] = [Texts([describe_dataset(dataset)])]
    notes = [LEAKS, *(f"Not examined: {line}." for line in audit.not_examined)]
    blocks.append(make_table_block("Findings", tabulate_findings(audit), notes))
    sections = [
        Section("findings", "Findings", blocks),
        Section("data", "Data", [make_table_block(dataset.name, make_case_table(dataset))]),
    ]
    if audit.probes:
        note = (
            "AUC (macro, one-vs-rest) of a gradient boosting model that knows nothing but this "
            "fact, in five folds, grouped as the dataset is; 0.5 is chance. 95% confidence "
            "intervals are in parentheses, where the numbers support one."
        )
        table = make_table_block("AUC from one fact alone", tabulate_probes(audit), [note])
        sections.append(Section("shortcuts", "Shortcuts", [table]))
    sheets = list(draw_figures(draw_audit_sheets(audit)))
    if sheets:
        sections.append(Section("images", "Images to judge", sheets))
    return sections


def tabulate_findings(audit: Audit) -> pd.DataFrame:
    """One line per finding: what, whether it makes results too good, and the text."""
    lines = [
        (finding.kind, LEAK if finding.is_leak else NO_LEAK, finding.text)
        for finding in audit.findings
    ]
    return pd.DataFrame(lines, columns=["about", "leak", "finding"])


def tabulate_probes(audit: Audit) -> pd.DataFrame:
    """One line per fact: how well it alone predicts the class."""
    values = [format_mean(probe.auc, probe.lower, probe.upper) for probe in audit.probes]
    return pd.DataFrame({"fact": [probe.fact for probe in audit.probes], "AUC": values})


def draw_audit_sheets(audit: Audit) -> Iterator[Plot]:
    """Draw the images of every finding that is about images."""
    for finding in audit.findings:
        if finding.pairs:
            yield _draw_pairs(audit.dataset, finding)
        elif finding.images:
            yield _draw_images(audit, finding)


def _draw_pairs(dataset: Dataset, finding: Finding) -> Plot:
    pairs = finding.pairs[:MOST_PAIRS]
    indices = [i for pair in pairs for i in pair]
    texts = [_describe_image(dataset, i) for i in indices]
    shown = f"Pairs side by side: {len(pairs)} of {len(finding.pairs):,}."
    return draw_contact_sheet(
        "pairs", f"{dataset.name}: {finding.kind}", shown, dataset.images[indices], texts
    )


def _draw_images(audit: Audit, finding: Finding) -> Plot:
    dataset, indices = audit.dataset, list(finding.images[:MOST_IMAGES])
    suggested = dict(zip(audit.doubtful.tolist(), audit.suggested.tolist(), strict=True))
    doubts = finding.kind == "doubtful labels"
    texts = [
        _describe_image(dataset, i) + (f"\n{dataset.classes[suggested[i]]}?" if doubts else "")
        for i in indices
    ]
    shown = f"Images shown: {len(indices)} of {len(finding.images):,}."
    shown += " The class with a question mark is what the model suggests." if doubts else ""
    return draw_contact_sheet(
        "images", f"{dataset.name}: {finding.kind}", shown, dataset.images[indices], texts
    )


def _describe_image(dataset: Dataset, index: int) -> str:
    subset = "" if dataset.subset is None else f"{dataset.subset[index]}, "
    return f"{dataset.image_ids[index]}\n{subset}{_name_classes(dataset, index)}"


def _name_classes(dataset: Dataset, index: int) -> str:
    if not dataset.multilabel:
        return dataset.classes[dataset.targets[index]]
    names: Sequence[str] = [dataset.classes[k] for k in np.flatnonzero(dataset.targets[index])]
    return " | ".join(names) or "none"
