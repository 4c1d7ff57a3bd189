"""Writes a graph as other programs do: in seconds, of 4 bytes, recurrent, with delays and biases."""
import sys

import nir
import numpy as np


def each(value, count):
    return np.full(count, value, dtype=np.float32)


nodes = {
    "in": nir.Input({"input": np.array([2])}),
    "delay": nir.Delay(delay=np.array([0.0, 0.0015])),
    "up": nir.Affine(weight=np.array([[1, 2], [3, 4], [5, 6]], np.float32), bias=each(0.0, 3)),
    "neurons": nir.CubaLIF(
        tau_syn=each(0.005, 3), tau_mem=np.array([0.01, 0.02, 0.03], np.float32), r=each(1.0, 3),
        v_leak=each(0.0, 3), v_threshold=each(1.0, 3), w_in=each(2.0, 3),
    ),
    "back": nir.Linear(weight=-np.eye(3, dtype=np.float32)),
    "out": nir.Output({"output": np.array([3])}),
}
edges = [
    ("in", "delay"), ("delay", "up"), ("up", "neurons"),
    ("neurons", "back"), ("back", "neurons"), ("neurons", "out"),
]
nir.write(sys.argv[1], nir.NIRGraph(nodes, edges))
