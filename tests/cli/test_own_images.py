"""The first minutes with one's own images: folders as users have them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from skimage import data
from skimage.io import imsave
from skimage.transform import resize

PHOTOS = {
    "astronaut": data.astronaut,
    "cat": data.chelsea,
    "coffee": data.coffee,
    "rocket": data.rocket,
    "tissue": data.immunohistochemistry,
    "galaxies": data.hubble_deep_field,
}


def benchmark(*arguments, cwd, expect=0):
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def write_crops(folder, counts, side=60, sizes=None):
    """Write crops of photographs, ``counts[k]`` of the photograph k, one folder per photograph."""
    rng = np.random.default_rng(0)
    for (name, load), count in zip(PHOTOS.items(), counts, strict=False):
        (folder / name).mkdir(parents=True)
        photo = load()[..., :3]
        for k in range(count):
            y, x = (rng.integers(0, extent - side) for extent in photo.shape[:2])
            crop = photo[y : y + side, x : x + side]
            if sizes:
                shape = (sizes[k % len(sizes)], sizes[(k + 1) % len(sizes)])
                crop = np.uint8(resize(crop, shape) * 255)
            imsave(folder / name / f"{k}.png", crop, check_contrast=False)


@pytest.mark.slow
def test_a_folder_of_images_gives_a_leaderboard_of_classical_and_deep_configurations(tmp_path):
    write_crops(tmp_path / "photos", [10] * 6)
    benchmark("run", "--dataset", "folder:photos", cwd=tmp_path)
    table = benchmark("table", "results/photos", "--format", "json", cwd=tmp_path).stdout
    lines = json.loads(table)
    assert {line["n_done"] for line in lines} == {5}
    assert len(lines) >= 8
    best = max(lines, key=lambda line: line["f1"])
    assert best["f1"] > 0.8
    assert any(line["model"].startswith("fast_resnet") for line in lines)
    assert sum(line["model"] == "majority" for line in lines) == 1


def test_one_image_per_class_is_refused_in_one_line(tmp_path):
    write_crops(tmp_path / "photos", [1] * 6)
    done = benchmark("run", "--dataset", "folder:photos", cwd=tmp_path, expect=2)
    assert done.stderr.startswith(
        "error: dataset 'folder:photos': 6 of 6 classes have images of only 1 image (such as "
    )
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "sizes"),
    [((60, 6, 6), None), ((6, 6), (16, 33, 500, 4000))],
    ids=["one class ten times the rest", "sides of 16 to 4,000 pixels"],
)
def test_uneven_folders_give_a_leaderboard(counts, sizes, tmp_path):
    write_crops(tmp_path / "photos", counts, sizes=sizes)
    done = benchmark("run", "--dataset", "folder:photos", "--folds", "2", cwd=tmp_path)
    assert "Ranked by f1" in done.stdout
    assert ("images resized to" in done.stdout) == (sizes is not None)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["folder:photos"], "write --dataset folder:photos"),
        (["photos"], "write --dataset folder:photos"),
        (["list.csv"], "write --dataset csv:list.csv"),
        (["--dataset", "photos"], "write folder:photos"),
        (["--dataset", "list.csv"], "write csv:list.csv"),
    ],
)
def test_a_dataset_named_in_another_way_is_answered_with_how_to_name_it(
    tmp_path, arguments, advice
):
    write_crops(tmp_path / "photos", [1, 1])
    (tmp_path / "list.csv").write_text("image,label\n")
    done = benchmark("run", *arguments, cwd=tmp_path, expect=2)
    assert done.stderr.strip().endswith(advice)
    assert done.stderr.count("\n") == 1
