"""Writes a set in the crate's event format and reads it back, by the lines of docs/data.md: events.py write|read FILE."""
import json
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

if sys.argv[1] == "write":
    times, channels = np.array([0.5, 2.0, 2.0]), np.array([3, 0, 1])
    offsets, labels, names = np.array([0, 2, 2, 3]), np.array([1, 0, 1]), ["a", "b"]
    tensors = {"times": times.astype("f4"), "channels": channels.astype("u2"), "offsets": offsets.astype("u8"), "labels": labels.astype("u2")}
    about = {"format": "eventprop-events-1", "n_channels": "4", "duration_ms": "10", "class_names": json.dumps(names)}
    save_file(tensors, sys.argv[2], about)
else:
    with safe_open(sys.argv[2], "numpy") as file:
        about = file.metadata()
        times, channels, offsets, labels = (file.get_tensor(n) for n in ("times", "channels", "offsets", "labels"))
    for k, label in enumerate(labels):
        events = slice(int(offsets[k]), int(offsets[k + 1]))
        print(json.loads(about["class_names"])[label], times[events].tolist(), channels[events].tolist())
