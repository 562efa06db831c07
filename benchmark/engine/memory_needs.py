"""Memory that the training sets of a plan take, of models that hold all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

from benchmark.evaluation.components import build_strategy, train_test_indices
from benchmark.evaluation.plan import Plan
from benchmark.plugins.registry import reads_chunks, takes_images
from benchmark.strategies.base import may_resample
from benchmark.study.cell import Cell

WORTH_SAYING = 1e9  # bytes of a training set that are mentioned


def describe_training_memory(
    plan: Plan, cells: Iterable[Cell], widths: Mapping[tuple[str, str], float]
) -> str | None:
    """Describe the largest training set that a model holds in memory; None if it is small.

    Parameters
    ----------
    plan : Plan
    cells : iterable of Cell
        One of each configuration.
    widths : mapping of (str, str) to float
        Bytes of the features of an image, by the labels of dataset and extractor, where known.

    Returns
    -------
    str or None
    """
    needs: dict[Cell, float] = {}
    in_chunks: set[str] = set()
    for cell in cells:
        dataset = plan.datasets[cell.dataset.label]
        n_train = len(train_test_indices(cell, dataset)[0])
        if takes_images(cell.model):
            needs[cell] = n_train * prod(dataset.images.shape[1:])
        elif (
            reads_chunks(cell.model)
            and not dataset.multilabel
            and not may_resample(build_strategy(cell.strategy, 0))
        ):
            in_chunks.add(cell.model.name)
        else:
            known = [widths.get((cell.dataset.label, spec.label), 0.0) for spec in cell.extractor]
            needs[cell] = n_train * sum(known)
    largest = max(needs, key=needs.__getitem__, default=None)
    if largest is None or needs[largest] < WORTH_SAYING:
        return None
    labels = largest.identity
    text = (
        f"memory: the training set of {labels['extractor']} / {labels['model']} takes "
        f"{needs[largest] / 1e9:.3g} GB, of which a model may hold several copies"
    )
    if in_chunks:
        verb = "reads" if len(in_chunks) == 1 else "read"
        text += f"; {' and '.join(sorted(in_chunks))} {verb} it in chunks"
    return text
