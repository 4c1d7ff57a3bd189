"""Runs a graph in Norse. Arguments: file, time step in ms, steps, then a line `channel:time` per input spike.

Writes `neuron time` per output spike, in ms.
"""
import sys
import warnings

warnings.filterwarnings("ignore")
import nir
import norse.torch
import torch

path, dt, steps = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
graph = nir.read(path)
channels = int(next(iter(graph.inputs.values())).input_type["input"][0])
spikes = torch.zeros(steps, channels)
for word in sys.argv[4:]:
    channel, time = word.split(":")
    spikes[round(float(time) / dt), int(channel)] += 1
model = norse.torch.from_nir(graph, dt=1e-3 * dt)
state = None
with torch.no_grad():
    for step in range(steps):
        out, state = model(spikes[step][None], state)
        for neuron in torch.nonzero(out[0]).flatten().tolist():
            print(neuron, dt * (step + 1))
