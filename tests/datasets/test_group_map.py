"""Groups of a published dataset, read from a CSV file."""

import numpy as np
import pytest

from benchmark.datasets.group_map import read_groups
from benchmark.errors import UserError


@pytest.mark.parametrize("column", ["Split", "SPLIT", "splits"])
def test_a_column_almost_named_split_is_refused(tmp_path, column):
    file = tmp_path / "groups.csv"
    file.write_text(f"index,id,{column}\n0,A,train\n1,B,train\n2,C,test\n")
    subset = np.array(["train", "train", "test"])
    with pytest.raises(
        UserError,
        match=f"the column '{column}' would not be read because it is not named 'split'; rename it",
    ):
        read_groups("dataset 'd'", file, subset)
    file.write_text("index,id,split\n0,A,train\n1,B,train\n0,C,test\n")
    assert read_groups("dataset 'd'", file, subset).tolist() == ["A", "B", "C"]
