"""Synthetic hospitals: digits with other brightness and other shares of the classes."""

import numpy as np
from skimage.io import imsave
from sklearn.datasets import load_digits

DIGITS = load_digits()


def write_hospital(
    folder, indices, names=("low", "high"), brightness=0, invert=False, attributes=("sex", "age")
):
    """Write digits as the images of a hospital; each patient has two consecutive ones."""
    folder.mkdir(parents=True)
    values = {"sex": lambda i: "mf"[i // 2 % 2], "age": lambda i: str(30 + i // 2 % 50)}
    lines = [",".join(["image,label,patient", *attributes])]
    for i in indices:
        pixels = np.rint(DIGITS.images[i] * 10) + brightness
        imsave(folder / f"{i}.png", pixels.astype(np.uint8), check_contrast=False)
        label = names[int((DIGITS.target[i] >= 5) != invert)]
        known = [values[name](i) for name in attributes]
        lines.append(",".join([f"{i}.png", label, f"p{i // 2}", *known]))
    (folder / "cases.csv").write_text("\n".join(lines))
    return f"csv:{folder / 'cases.csv'}"
