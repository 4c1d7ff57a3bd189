#!/usr/bin/env python3
"""Turn the published event Braille file (a pickle) into the crate's event format (docs/data.md).

    pip install numpy safetensors
    python3 braille_to_events.py data_braille_letters_th_1.pkl braille.safetensors

The pickle holds one entry per sample: a dict with the key "letter" (a name such as "A") and the key "events" or
"taxel_data": taxel -> ON, OFF -> times in s. Channel 2 k is ON of taxel k, channel 2 k + 1 OFF. A pickle can run any program
when it is opened, so this script lets it build plain lists, dicts, strings, numbers and NumPy arrays, and refuses the rest.
"""
import argparse
import json
import math
import pickle

import numpy as np
from safetensors.numpy import save_file

# What NumPy names in its own pickles, in its versions 1 and 2, and nothing else.
NUMPY = {"ndarray", "dtype", "_reconstruct", "scalar", "_frombuffer"}
MODULES = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric"}


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if module in MODULES and name in NUMPY:
            return super().find_class(module, name)
        # Protocol 2 writes the bytes of arrays with this.
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise SystemExit(f"the pickle wants {module}.{name}: only lists, dicts, strings, numbers and arrays are read")


def events_of(sample, number):
    """(times in ms, channels) of a sample, in the order of time, ties in the order of channels."""
    taxels = sample["events"] if "events" in sample else sample["taxel_data"]
    times, channels = [], []
    for taxel, polarities in enumerate(taxels):
        if len(polarities) != 2:
            raise SystemExit(f"sample {number}, taxel {taxel}: {len(polarities)} lists, but must be 2, ON and OFF")
        for polarity, seconds in enumerate(polarities):
            own = np.asarray(seconds, dtype=np.float64).ravel() * 1000.0
            if not (np.isfinite(own).all() and (own >= 0).all()):
                raise SystemExit(f"sample {number}, taxel {taxel}: a time is negative or not finite")
            times.append(own)
            channels.append(np.full(len(own), 2 * taxel + polarity, dtype=np.uint16))
    if not times:
        raise SystemExit(f"sample {number} has no taxels")
    times, channels = np.concatenate(times), np.concatenate(channels)
    order = np.lexsort((channels, times))
    return times[order], channels[order], 2 * len(taxels)


def convert(source, target):
    with open(source, "rb") as file:
        samples = Unpickler(file).load()
    if not isinstance(samples, list) or not samples:
        raise SystemExit("the pickle must be a list of samples")
    # "Space" comes before the letters, as in the papers.
    names = sorted({str(s["letter"]) for s in samples}, key=lambda name: (name != "Space", name))
    events = [events_of(sample, number) for number, sample in enumerate(samples)]
    channels = {e[2] for e in events}
    if len(channels) != 1:
        raise SystemExit(f"samples have different numbers of channels: {sorted(channels)}")
    times = np.concatenate([e[0] for e in events])
    short = times.astype(np.float32)
    latest = float(times.max()) if len(times) else 0.0
    tensors = {
        # Four bytes where that loses nothing.
        "times": short if (short == times).all() else times,
        "channels": np.concatenate([e[1] for e in events]),
        "offsets": np.cumsum([0] + [len(e[0]) for e in events]).astype(np.uint64),
        "labels": np.array([names.index(str(s["letter"])) for s in samples], dtype=np.uint16),
    }
    about = {
        "format": "eventprop-events-1",
        "n_channels": str(channels.pop()),
        "duration_ms": str(math.floor(latest) + 1),
        "class_names": json.dumps(names),
        "source": "Mueller-Cleve et al. 2022, Zenodo 7050094",
        "license": "that of Zenodo 7050094",
    }
    save_file(tensors, target, about)
    print(f"{len(samples)} samples, {about['n_channels']} channels, {len(names)} letters, {len(times)} events")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pickle")
    parser.add_argument("events")
    arguments = parser.parse_args()
    convert(arguments.pickle, arguments.events)
