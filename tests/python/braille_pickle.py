"""Writes a small pickle like the published Braille file: braille_pickle.py OUT PROTOCOL [foreign]."""
import pickle
import sys

import numpy as np

samples = [
    {"letter": "B", "events": [[[0.002, 0.0005], []], [[], np.array([0.1])]]},
    {"letter": "Space", "events": [[[], []], [[], []]]},
    {"letter": "A", "events": [[[], [0.25]], [[0.25], [0.25, 0.25]]]},
]


class Foreign:
    def __reduce__(self):
        return (print, ("this must not run",))


if sys.argv[3:] == ["foreign"]:
    samples.append(Foreign())
with open(sys.argv[1], "wb") as file:
    pickle.dump(samples, file, protocol=int(sys.argv[2]))
