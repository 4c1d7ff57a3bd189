"""Checks arrays that were written here, and writes some in all orders and versions."""
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
for name, dtype in [("single", "<f4"), ("double", "<f8")]:
    array = np.load(folder / f"{name}.npy")
    assert array.dtype == np.dtype(dtype) and array.shape == (2, 3), (array.dtype, array.shape)
    assert (array == (np.arange(6).reshape(2, 3) / 3).astype(dtype)).all()
array = np.arange(6).reshape(2, 3)
np.save(folder / "c.npy", (array / 3).astype(np.float64))
np.save(folder / "f.npy", np.asfortranarray(array.astype(np.float32)))
np.save(folder / "big.npy", array.astype(">f4"))
np.save(folder / "int.npy", array.astype(np.uint32))
with open(folder / "two.npy", "wb") as file:
    np.lib.format.write_array(file, array.astype(np.float32), version=(2, 0))
