"""The groups of a published set are read from a table, or it is said what is wrong with it."""

import numpy as np
import pytest

from benchmark.datasets.group_map import read_groups
from benchmark.errors import UserError


@pytest.mark.parametrize("column", ["Split", "SPLIT", "splits"])
def test_a_column_that_is_almost_called_split_is_not_passed_over(tmp_path, column):
    file = tmp_path / "groups.csv"
    file.write_text(f"index,id,{column}\n0,A,train\n1,B,train\n2,C,test\n")
    part = np.array(["train", "train", "test"])
    with pytest.raises(
        UserError,
        match=f"the column '{column}' would not be read, as it is not called 'split'; rename it",
    ):
        read_groups("dataset 'd'", file, part)
    file.write_text("index,id,split\n0,A,train\n1,B,train\n0,C,test\n")
    assert read_groups("dataset 'd'", file, part).tolist() == ["A", "B", "C"]
