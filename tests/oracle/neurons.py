#!/usr/bin/env python3
"""Makes reference cases for neurons beyond LIF, their constants, and losses of potentials and spike trains.

    python3 tests/oracle/neurons.py tests/oracle      # needs mpmath and numpy; some minutes

A trial is simulated event by event with 40 digits; the release of a held potential is an event like others.
Crossings are bracketed by sampling with doubles and found by Newton's method with 40 digits; a case with a maximum
of the potential within 1e-3 of the threshold, which sampling might miss, is not made. Gradients are central
differences with a step of 1e-13. Nothing here uses a formula of the crate: no divided differences, no isolation by
Rolle's theorem, no adjoint.

A case has the fields of the other ones, and of a layer also, each constant one number or one per neuron,
`bias`, `adaptation` ([jump, tau]), `adaptive_threshold` ([jump, tau]), `refractory`, and `trainable`, the kinds of
constants whose gradients (by the constant itself, not by its logarithm) are in the answer, as `constants`
[layer][kind]; those of `tau_syn` receptor by receptor.
"""
import heapq
import json
import random
import sys

import numpy as np
from mpmath import exp, log, mp, mpf

mp.dps = 40
STEP = mpf(10) ** -13


class Touch(Exception):
    """A potential too close to the threshold for sampling to tell."""


def listed(x):
    return [mpf(v) for v in (x if isinstance(x, list) else [x])]


class Layer:
    """Constants by kind, each a list of one value or one per neuron; tau_syn has such a list per receptor."""

    def __init__(self, spec):
        self.size = spec["size"]
        self.fires = spec.get("threshold") is not None
        c = {k: listed(spec.get(k, 0)) for k in ("reset", "bias", "refractory")}
        c["tau_mem"] = listed(spec["tau_mem"])
        c["threshold"] = listed(spec["threshold"] if self.fires else 0)
        c["adaptation_jump"], c["tau_adaptation"] = map(listed, spec.get("adaptation", [0, 50]))
        c["threshold_jump"], c["tau_threshold"] = map(listed, spec.get("adaptive_threshold", [0, 50]))
        self.constants, self.receptors = c, [listed(spec["tau_syn"])]

    def receptor(self, tau):
        if tau is None:
            return 0
        self.receptors.append([mpf(tau)] * len(self.receptors[0]))
        return len(self.receptors) - 1

    def of(self, kind, j):
        values = self.constants[kind]
        return values[j if len(values) > 1 else 0]

    def taus(self, j):
        """Time constants of the currents; that of adaptation comes last."""
        return [r[j if len(r) > 1 else 0] for r in self.receptors] + [self.of("tau_adaptation", j)]


class Neuron:
    def __init__(self, layer, j):
        self.of = lambda kind: layer.of(kind, j)
        self.taus, self.fires = layer.taus(j), layer.fires
        self.t, self.v, self.a = mpf(0), mpf(0), mpf(0)
        self.currents = [mpf(0)] * len(self.taus)
        self.release = None
        self.arrivals, self.spikes = [], []
        self.pieces = []  # (start, end, [(coefficient, rate)] of V)

    def modes(self):
        """V(t + s) as a list of (coefficient, rate)."""
        if self.release is not None:
            return [(self.v, mpf(0))]
        tm = self.of("tau_mem")
        responses = [(i * tau / (tau - tm), 1 / tau) for i, tau in zip(self.currents, self.taus)]
        rest = self.v - self.of("bias") - sum(c for c, _ in responses)
        return responses + [(self.of("bias"), mpf(0)), (rest, 1 / tm)]

    def advance(self, t):
        s = t - self.t
        modes = self.modes()
        if s > 0:
            self.pieces.append((self.t, t, modes))
        self.v = sum(c * exp(-q * s) for c, q in modes)
        self.currents = [i * exp(-s / tau) for i, tau in zip(self.currents, self.taus)]
        self.a *= exp(-s / self.of("tau_threshold"))
        self.t = t

    def crossing(self, until):
        if not self.fires or self.release is not None:
            return None
        modes = self.modes() + [(-self.a, 1 / self.of("tau_threshold")), (-self.of("threshold"), mpf(0))]
        span = float(until - self.t)
        s = np.linspace(0.0, span, int(span / 0.01) + 32)
        u = sum(float(c) * np.exp(-float(q) * s) for c, q in modes)
        ups = np.nonzero((u[:-1] < 0) & (u[1:] >= 0))[0]
        before = u[: ups[0] + 1] if len(ups) else u
        peaks = before[1:-1][(before[1:-1] >= before[:-2]) & (before[1:-1] >= before[2:])]
        if len(peaks) and peaks.max() > -1e-3:
            raise Touch
        if not len(ups):
            return None
        lo, hi = mpf(float(s[ups[0]])), mpf(float(s[ups[0] + 1]))
        f = lambda x: sum(c * exp(-q * x) for c, q in modes)
        slope = lambda x: -sum(c * q * exp(-q * x) for c, q in modes)
        for _ in range(4):
            m = (lo + hi) / 2
            lo, hi = (m, hi) if f(m) < 0 else (lo, m)
        x = (lo + hi) / 2
        for _ in range(12):
            step = f(x) / slope(x)
            x -= step
            if abs(step) < mpf(10) ** -38:
                break
        if slope(x) < 1e-3:
            raise Touch
        return self.t + x

    def fire(self):
        self.spikes.append(self.t)
        self.v = self.of("reset")
        self.currents[-1] += self.of("adaptation_jump")
        self.a += self.of("threshold_jump")
        if self.of("refractory") > 0:
            self.release = self.t + self.of("refractory")


def simulate(net, inputs, duration):
    neurons = [[Neuron(layer, j) for j in range(layer.size)] for layer in net["layers"]]
    targets = {}
    for p in net["projections"]:
        for post, (ws, ds) in enumerate(zip(p["weights"], p["delays"])):
            for pre, (w, d) in enumerate(zip(ws, ds)):
                if w is not None:
                    targets.setdefault((p["from"], pre), []).append((p["to"], post, p["receptor"], w, d))

    def send(source, t):
        reached = set()
        for layer, j, receptor, w, d in targets.get(source, ()):
            heapq.heappush(neurons[layer][j].arrivals, (t + d, receptor, w))
            reached.add((layer, j))
        return reached

    for channel, train in enumerate(inputs):
        for t in train:
            send((-1, channel), t)
    plans = {}

    def plan(at):
        n = neurons[at[0]][at[1]]
        known = [(duration, 3)]
        if n.arrivals:
            known.append((n.arrivals[0][0], 2))
        if n.release is not None:
            known.append((n.release, 1))
        first = min(known)
        spike = n.crossing(first[0])
        plans[at] = first if spike is None else (spike, 0)

    for k, layer in enumerate(neurons):
        for j in range(len(layer)):
            plan((k, j))
    while True:
        at, (t, what) = min(plans.items(), key=lambda e: e[1])
        if what == 3:
            break
        n = neurons[at[0]][at[1]]
        n.advance(t)
        touched = {at}
        if what == 0:
            n.fire()
            touched |= send(at, t)
        elif what == 1:
            n.release = None
        else:
            _, receptor, w = heapq.heappop(n.arrivals)
            n.currents[receptor] += w
        for other in touched:
            plan(other)
    for layer in neurons:
        for n in layer:
            n.advance(duration)
    return neurons


def integral(n, rate):
    total = mpf(0)
    for start, end, modes in n.pieces:
        for c, q in modes:
            k = q + rate
            total += exp(-rate * start) * c * ((1 - exp(-k * (end - start))) / k if k else end - start)
    return total


def potential(n, t):
    for start, end, modes in n.pieces:
        if start < t <= end:
            return sum(c * exp(-q * (t - start)) for c, q in modes)
    raise ValueError(t)


def distance(train, target, tau):
    """(1/tau) int (f - g)^2 of the filtered trains, piece by piece between spikes."""
    events = sorted([(t, 1) for t in train] + [(mpf(t), -1) for t in target])
    total, height = mpf(0), mpf(0)
    for (t, sign), following in zip(events, events[1:] + [None]):
        height += sign
        fades = exp(-2 * (following[0] - t) / tau) if following else mpf(0)
        total += height**2 / 2 * (1 - fades)
        if following:
            height *= exp(-(following[0] - t) / tau)
    return total


def cross_entropy(z, label):
    return log(sum(exp(x) for x in z)) - z[label]


def loss(case, output):
    L, T = case["loss"], mpf(case["duration"])
    kind = L["kind"]
    if kind == "mean_voltage_ce":
        return cross_entropy([integral(n, mpf(0)) / T for n in output], case["label"])
    if kind == "exp_weighted_mean_voltage_ce":
        return cross_entropy([integral(n, 1 / T) / T for n in output], case["label"])
    if kind == "ttfs_ce":
        first = [n.spikes[0] if n.spikes else T for n in output]
        return cross_entropy([-t / mpf(L["tau0"]) for t in first], case["label"])
    if kind == "voltage_mse":  # mean over neurons and times
        misses = [
            potential(n, mpf(t)) - mpf(y) for n, row in zip(output, L["targets"]) for t, y in zip(L["times"], row)
        ]
        return sum(m**2 for m in misses) / len(misses)
    if kind == "van_rossum":
        return sum(distance(n.spikes, u, mpf(L["tau"])) for n, u in zip(output, L["targets"]))
    if kind == "spike_train_squares":  # a missing spike reads T
        pairs = [
            ((n.spikes[k] if k < len(n.spikes) else T), mpf(u))
            for n, row in zip(output, L["targets"])
            for k, u in enumerate(row)
        ]
        return sum((t - u) ** 2 for t, u in pairs) / 2
    raise ValueError(kind)


def network(case):
    layers = [Layer(spec) for spec in case["layers"]]
    table = lambda rows: [[None if x is None else mpf(x) for x in row] for row in rows]
    projections = [
        {
            "from": p["from"],
            "to": p["to"],
            "receptor": layers[p["to"]].receptor(p.get("tau_syn")),
            "weights": table(p["weights"]),
            "delays": table(p["delays"]),
        }
        for p in case["projections"]
    ]
    return {"layers": layers, "projections": projections}


def solve(case):
    net, T = network(case), mpf(case["duration"])
    inputs = [[mpf(t) for t in train] for train in case["input"]]
    neurons = simulate(net, inputs, T)
    counts = [[len(n.spikes) for n in layer] for layer in neurons]

    def value():
        again = simulate(net, inputs, T)
        assert [[len(n.spikes) for n in layer] for layer in again] == counts
        return loss(case, again[-1])

    def difference(values, k):
        x = values[k]
        if x is None:
            return None
        values[k] = x + STEP
        up = value()
        values[k] = x - STEP
        down = value()
        values[k] = x
        return float((up - down) / (2 * STEP))

    each = lambda rows: [[difference(row, k) for k in range(len(row))] for row in rows]
    constants = []
    for spec, layer in zip(case["layers"], net["layers"]):
        by = {}
        for kind in spec.get("trainable", []):
            if kind == "tau_syn":
                # What projections name is one constant for each neuron only if the layer's own is.
                by[kind] = [g for row in each(layer.receptors) for g in row]
            else:
                by[kind] = each([layer.constants[kind]])[0]
        constants.append(by)
    return {
        "spikes": [[[float(t) for t in n.spikes] for n in layer] for layer in neurons],
        "loss": float(loss(case, neurons[-1])),
        "gradients": [{k: each(p[k]) for k in ("weights", "delays")} for p in net["projections"]],
        "input_time_gradients": each(inputs),
        "constants": constants,
    }


def draw(name, seed, hidden, output, loss, duration=50.0, gain=1.0, recurrent=None):
    """Two inputs, three hidden neurons, two output neurons. The layers' sizes are set here."""
    r = random.Random(seed)
    number = lambda low, high: round(r.uniform(low, high), 4)
    table = lambda post, pre, low, high: [[number(low, high) for _ in range(pre)] for _ in range(post)]
    project = lambda pre, post, a, b, low, high, **more: {
        "from": pre, "to": post, **more, "weights": table(b, a, low, high), "delays": table(b, a, 0.3, 9.0)
    }
    projections = [
        project(-1, 0, 2, 3, 1.0 * gain, 4.5 * gain),
        project(0, 0, 3, 3, -1.2, 0.9, **(recurrent or {})),
        project(0, 1, 3, 2, 0.4 * gain, 3.0 * gain),
    ]
    projections[1]["weights"][0][1] = projections[1]["delays"][0][1] = None
    return {
        "name": name,
        "layers": [{"size": 3, **hidden}, {"size": 2, **output}],
        "projections": projections,
        "input": [sorted(number(0.0, duration * 0.6) for _ in range(5)) for _ in range(2)],
        "duration": duration,
        "loss": loss,
        "label": seed % 2,
    }


ALL = ["tau_mem", "tau_syn", "threshold", "reset", "bias", "adaptation_jump", "tau_adaptation", "threshold_jump", "tau_threshold", "refractory"]
EVERYTHING = {
    "tau_mem": [13.0, 9.5, 17.0], "tau_syn": [4.0, 5.5, 3.2], "threshold": [1.0, 0.9, 1.15],
    "reset": [0.0, -0.3, 0.2], "bias": [0.3, 0.0, -0.2], "adaptation": [[-0.7, 0.3, -0.4], [22.0, 8.0, 31.0]],
    "adaptive_threshold": [[0.3, 0.15, 0.5], [11.0, 26.0, 7.0]], "refractory": [1.2, 2.5, 0.7], "trainable": ALL,
}
PLAIN = {"tau_mem": 12.0, "tau_syn": 4.5, "threshold": 1.0}

CASES = {
    "adaptation": lambda seed: draw(
        "adaptation", seed, {**PLAIN, "adaptation": [-0.8, 30.0], "trainable": ["tau_mem", "adaptation_jump", "tau_adaptation"]},
        {**PLAIN, "adaptation": [[-0.5, 0.2], [14.0, 25.0]], "trainable": ["threshold", "adaptation_jump", "tau_adaptation"]},
        {"kind": "van_rossum", "tau": 6.0, "targets": [[12.0, 30.0], [9.0, 21.0, 33.0]]}),
    "adaptive-threshold": lambda seed: draw(
        "adaptive-threshold", seed, {**PLAIN, "adaptive_threshold": [0.4, 25.0], "trainable": ["threshold", "threshold_jump", "tau_threshold"]},
        {**PLAIN, "adaptive_threshold": [[0.6, 0.2], [9.0, 18.0]], "trainable": ["tau_syn", "threshold_jump", "tau_threshold"]},
        {"kind": "spike_train_squares", "targets": [[12.0, 20.0], [9.0, 21.0, 33.0]]}),
    "refractory-bias": lambda seed: draw(
        "refractory-bias", seed, {**PLAIN, "bias": 0.35, "refractory": 2.0, "reset": -0.2, "trainable": ["bias", "refractory", "reset"]},
        {**PLAIN, "bias": [0.2, -0.3], "refractory": [3.0, 1.5], "trainable": ["bias", "refractory", "tau_mem"]},
        {"kind": "mean_voltage_ce"}),
    "receptors": lambda seed: draw(
        "receptors", seed, {**PLAIN, "tau_syn": [4.0, 6.0, 3.0], "tau_mem": [12.0, 8.0, 19.0], "trainable": ["tau_mem", "tau_syn"]},
        {"tau_mem": [15.0, 8.0], "tau_syn": 4.0, "threshold": None, "bias": 0.1, "trainable": ["tau_mem", "tau_syn", "bias"]},
        {"kind": "voltage_mse", "times": [11.0, 26.5, 44.0], "targets": [[0.5, 1.0, 0.2], [0.1, 0.7, 0.9]]},
        recurrent={"tau_syn": 7.5}),
    "first-spikes": lambda seed: draw(
        "first-spikes", seed, EVERYTHING, {**PLAIN, "threshold": [1.3, 0.9], "trainable": ["tau_mem", "tau_syn", "threshold"]},
        {"kind": "ttfs_ce", "tau0": 4.0}, recurrent={"tau_syn": 7.5}),
    "everything": lambda seed: draw(
        "everything", seed, EVERYTHING, {k: v[:2] if k not in ("adaptation", "adaptive_threshold", "trainable") else v
                                         for k, v in EVERYTHING.items()} | {
            "adaptation": [-0.4, 18.0], "adaptive_threshold": [0.2, 12.0]},
        {"kind": "exp_weighted_mean_voltage_ce"}, recurrent={"tau_syn": 7.5}),
}


def make(folder, name):
    for seed in range(1, 200):
        case = CASES[name](seed)
        try:
            net, inputs = network(case), [[mpf(t) for t in train] for train in case["input"]]
            counts = [[len(n.spikes) for n in layer] for layer in simulate(net, inputs, mpf(case["duration"]))]
            # Everybody fires, and all but first spikes matter somewhere.
            if min(counts[0]) < 2 or (case["layers"][1]["threshold"] is not None and min(counts[1]) < 2):
                continue
            answer = solve(case)
        except (Touch, AssertionError):
            continue
        print(name, "seed", seed, "spikes", counts, "loss", answer["loss"], flush=True)
        with open(f"{folder}/{name}.json", "w") as file:
            json.dump({"case": case, "answer": answer}, file)
            file.write("\n")
        return
    sys.exit(f"{name}: no case found")


if __name__ == "__main__":
    for name in sys.argv[2:] or CASES:
        make(sys.argv[1], name)
