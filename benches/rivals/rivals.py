#!/usr/bin/env python3
"""Times a training step of other libraries on loads of the example `throughput`.

    pip install torch DCLS spikingjelly snntorch
    python3 rivals.py --library dcls --hidden 256 --max-delay 64 --device cuda
    python3 rivals.py --library dcls --hidden 256 --max-delay 64 --step-ms 10 --threads 1
    python3 rivals.py --library snntorch --hidden 256 --device cuda
    pip install 'jax[cuda13]' optax eventax
    python3 rivals.py --library eventax --device cuda

dcls      Delays are learned as positions in a kernel of a convolution over time (Dcls1d, Gaussian version),
          with the neurons of spikingjelly and surrogate gradients. Load (c): 700 input channels, two layers
          of LIF neurons with a delay per synapse, 20 leaky integrators, 1000 ms.
snntorch  The same network WITHOUT delays, which snnTorch 1.0 does not have, step by step.
eventax   Continuous time with an ODE solver and a delay per synapse. Load (d): Yin-Yang, 4-30-3.

A step is forward pass, backward pass and update; its input is in the memory of the device beforehand. The last
line begins with `result:`. Its `ms_per_step` is the median of the steps on the clock, `ms_per_sample` that by
samples, `first_ms` the very first step, with compilers. `peak_mib` is the greatest memory less what was there
when the input had been made: live arrays (cuda) or resident memory (cpu). `allocated_mib` and `reserved_mib`
are what torch reports on cuda: live arrays and all that its allocator holds, input included. In discrete time
work and memory are the same however often neurons fire.
"""

import argparse
import importlib.metadata
import math
import os
import pathlib
import statistics
import time

CHANNELS, CLASSES, SPIKES, TRIAL, TAU_MEM = 700, 20, 8000, 1000.0, 20.0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--library", required=True, choices=["dcls", "snntorch", "eventax"])
    add("--hidden", type=int, help="neurons per hidden layer [default: 256; eventax 30]")
    add("--max-delay", type=float, default=64.0, help="dcls: longest delay in ms [default: 64]")
    add("--batch", type=int, help="samples per step [default: 256; eventax 150]")
    add("--step-ms", type=float, help="time step in ms [default: 1; eventax 0.01, its own default]")
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--threads", type=int, help="cores to run on [default: all]")
    add("--steps", type=int, default=5, help="steps on the clock [default: 5]")
    add("--warm-up", type=int, default=2, help="steps before [default: 2]")
    add("--benchmark", action="store_true", help="torch: cuDNN tries all its convolutions first")
    add("--no-tf32", action="store_true", help="torch: no TF32 in convolutions; torch's default has it")
    add("--x64", action="store_true", help="eventax: double precision")
    add("--events", type=int, default=600, help="eventax: most events per sample [default: 600]")
    args = parser.parse_args()
    usual = (30, 150, 0.01) if args.library == "eventax" else (256, 256, 1.0)
    for key, value in zip(["hidden", "batch", "step_ms"], usual):
        setattr(args, key, getattr(args, key) or value)
    cores = sorted(os.sched_getaffinity(0))[: args.threads]
    os.sched_setaffinity(0, cores)
    args.threads = len(cores)
    return args


class Resident:
    """The growth of the resident memory of this process; Linux only."""

    def __init__(self):
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # Sets the peak back to what is resident now.
        self.before = self.mib("VmRSS:")

    @staticmethod
    def mib(key):
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024

    def peak(self):
        return self.mib("VmHWM:") - self.before


def timed(args, step, wait):
    """The milliseconds of the first step, and of all steps on the clock."""

    def clock():
        wait()
        start = time.perf_counter()
        step()
        wait()
        return (time.perf_counter() - start) * 1e3

    times = [clock() for _ in range(args.warm_up + args.steps)]
    return times[0], times[args.warm_up :]


def report(args, first, times, memory, packages, **more):
    median = statistics.median(times)
    fields = {
        **{key: getattr(args, key) for key in ["library", "hidden", "batch", "device", "threads", "step_ms"]},
        **more,
        "ms_per_step": f"{median:.2f}",
        "ms_min": f"{min(times):.2f}",
        "ms_max": f"{max(times):.2f}",
        "ms_per_sample": f"{median / args.batch:.4f}",
        "first_ms": f"{first:.0f}",
        **{key: f"{mib:.1f}" for key, mib in memory.items()},
        **{package: importlib.metadata.version(package) for package in packages},
    }
    print("result:", *(f"{key}={value}" for key, value in fields.items()), flush=True)


def spike_counts(torch, batch, steps):
    """Spikes by step, sample and channel, spread evenly."""
    torch.manual_seed(1)
    size = (batch, SPIKES)
    sample = torch.arange(batch).unsqueeze(1).expand(size)
    where = (torch.randint(steps, size), sample, torch.randint(CHANNELS, size))
    return torch.zeros(steps, batch, CHANNELS).index_put_(where, torch.ones(()), accumulate=True)


def start_weights(torch, first, second, hidden):
    """Potentials that would settle somewhat above the threshold: neurons fire a dozen times or two."""
    settle = 1.1 * TRIAL / TAU_MEM
    for weight, spikes, spread in [(first, SPIKES, 1 / 3), (second, 20 * hidden, 1.5)]:
        torch.nn.init.normal_(weight, settle / spikes, spread * settle / spikes)


def discrete(args, build, packages, **more):
    """Measures a network in discrete time; `build` returns a forward pass, a clean-up and optimisers."""
    import torch

    torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = args.benchmark
    torch.backends.cudnn.allow_tf32 = not args.no_tf32
    cuda, device = args.device == "cuda", torch.device(args.device)
    counts = spike_counts(torch, args.batch, round(TRIAL / args.step_ms)).to(device)
    labels = (torch.arange(args.batch) % CLASSES).to(device)
    resident = Resident()
    before = torch.cuda.memory_allocated() if cuda else 0
    forward, after, optimizers = build(torch, args, device)
    rates = []

    def step():
        for optimizer in optimizers:
            optimizer.zero_grad()
        mean_voltage, hidden = forward(counts)
        torch.nn.functional.cross_entropy(mean_voltage, labels).backward()
        for optimizer in optimizers:
            optimizer.step()
        after()
        rates.append(hidden.detach().mean())

    first, times = timed(args, step, torch.cuda.synchronize if cuda else lambda: None)
    more["spikes_per_neuron_first_step"] = f"{rates[0].item() * len(counts):.1f}"
    memory = {"peak_mib": resident.peak()}
    if cuda:
        allocated, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
        sizes = {"peak_mib": allocated - before, "allocated_mib": allocated, "reserved_mib": reserved}
        memory = {key: size / 2**20 for key, size in sizes.items()}
        more["gpu"] = torch.cuda.get_device_name().replace(" ", "_")
        more["convolutions"] = ("f32" if args.no_tf32 else "tf32") + ",tried" * args.benchmark
    report(args, first, times, memory, ["torch", *packages], **more)


def dcls(torch, args, device):
    from DCLS.construct.modules import Dcls1d
    from spikingjelly.activation_based import functional, neuron, surrogate

    size = round(args.max_delay / args.step_ms) // 2 * 2 + 1

    def delayed(inputs):
        options = {"kernel_count": 1, "dilated_kernel_size": size, "bias": False, "version": "gauss"}
        layer = Dcls1d(inputs, args.hidden, **options).to(device)
        torch.nn.init.uniform_(layer.P, -(size // 2), size // 2)
        # How wide the Gaussians are is not learned; training narrows them from epoch to epoch.
        torch.nn.init.constant_(layer.SIG, size // 2)
        layer.SIG.requires_grad = False
        return layer

    def lif(threshold, voltages=False):
        tau = TAU_MEM / args.step_ms + 1e-9
        shape = surrogate.ATan(alpha=5.0)
        options = {"decay_input": False, "detach_reset": True, "step_mode": "m", "store_v_seq": voltages}
        return neuron.LIFNode(tau, v_threshold=threshold, surrogate_function=shape, **options).to(device)

    layers, neurons = [delayed(CHANNELS), delayed(args.hidden)], [lif(1.0), lif(1.0)]
    start_weights(torch, *(layer.weight for layer in layers), args.hidden)
    linear, integrators = torch.nn.Linear(args.hidden, CLASSES, bias=False).to(device), lif(1e9, True)

    def forward(x):
        for layer, cells in zip(layers, neurons):
            # Convolutions want (sample, channel, time), neurons (time, sample, channel).
            late = torch.nn.functional.pad(x.permute(1, 2, 0), (size - 1, 0))
            x = cells(layer(late).permute(2, 0, 1))
        integrators(linear(x))
        return integrators.v_seq.mean(0), x

    def after():
        for module in [*neurons, integrators]:
            functional.reset_net(module)
        for layer in layers:
            layer.clamp_parameters()

    adam = torch.optim.Adam
    weights = [linear.weight, *(layer.weight for layer in layers)]
    return forward, after, [adam(weights, lr=1e-3), adam([layer.P for layer in layers], lr=0.1)]


def snntorch(torch, args, device):
    import snntorch as snn

    decay = math.exp(-args.step_ms / TAU_MEM)
    sizes = [CHANNELS, args.hidden, args.hidden, CLASSES]
    linear = [torch.nn.Linear(m, n, bias=False).to(device) for m, n in zip(sizes, sizes[1:])]
    start_weights(torch, linear[0].weight, linear[1].weight, args.hidden)
    cells = [snn.Leaky(decay, reset_mechanism=reset).to(device) for reset in ["zero", "zero", "none"]]

    def forward(x):
        states = [cell.reset_mem() for cell in cells]
        total, spikes = 0.0, 0.0
        # What does not wait for spikes of the network is done for all steps at once.
        for spike in linear[0](x):
            spike, states[0] = cells[0](spike, states[0])
            spike, states[1] = cells[1](linear[1](spike), states[1])
            _, states[2] = cells[2](linear[2](spike), states[2])
            total, spikes = total + states[2], spikes + spike.detach()
        return total / len(x), spikes / len(x)

    adam = torch.optim.Adam([layer.weight for layer in linear], lr=1e-3)
    return forward, lambda: None, [adam]


def eventax(args):
    os.environ |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "JAX_PLATFORMS": args.device}
    import equinox
    import jax
    import numpy
    import optax
    from eventax.evnn import FFEvNN
    from eventax.neuron_models import LIF

    jax.config.update("jax_enable_x64", args.x64)
    real = jax.numpy.float64 if args.x64 else jax.numpy.float32
    random, device, cuda = numpy.random.default_rng(1), jax.devices()[0], args.device == "cuda"
    points = random.uniform(size=(args.batch, 2, 1))
    inputs = jax.numpy.asarray(1.5 + 18.5 * numpy.concatenate([points, 1 - points], axis=1), real)
    classes = jax.numpy.asarray(random.integers(3, size=args.batch))
    trial, neurons, scale = 60.0, args.hidden + 3, 15.0 / args.hidden
    # Rows are hidden neurons, outputs and inputs, columns hidden neurons and outputs.
    weights = numpy.zeros((neurons + 4, neurons))
    weights[neurons:, : args.hidden] = random.normal(1.5, 1.0, size=(4, args.hidden))
    weights[: args.hidden, args.hidden :] = random.normal(scale, scale, size=(args.hidden, 3))
    resident = Resident()
    before = device.memory_stats()["bytes_in_use"] if cuda else 0
    model = FFEvNN(
        layers=[args.hidden, 3],
        in_size=4,
        neuron_model=LIF,
        key=jax.random.PRNGKey(0),
        init_delays=0.0,
        init_weights=jax.numpy.asarray(weights, real),
        max_solver_time=trial,
        output_no_spike_value=trial,
        solver_stepsize=args.step_ms,
        dtype=real,
        **{"buffer_capacity": 256, "max_event_steps": args.events},
        **{"thresh": 1.0, "tsyn": 10.0, "tmem": TAU_MEM, "init_bias": 0.0},
    )
    adam = optax.adam(0.02)

    @equinox.filter_value_and_grad
    def loss_of(model):
        scores = -0.3 * jax.vmap(model.ttfs)(inputs)
        return optax.softmax_cross_entropy_with_integer_labels(scores, classes).mean()

    @equinox.filter_jit
    def update(model, state):
        loss, gradients = loss_of(model)
        changes, state = adam.update(gradients, state)
        return equinox.apply_updates(model, changes), state, loss

    now, losses = [model, adam.init(equinox.filter(model, equinox.is_inexact_array))], []

    def step():
        *now[:], loss = jax.block_until_ready(update(*now))
        losses.append(f"{loss:.4f}")

    first, times = timed(args, step, lambda: None)
    peak = (device.memory_stats()["peak_bytes_in_use"] - before) / 2**20 if cuda else resident.peak()
    more = {"gpu": device.device_kind.replace(" ", "_")} if cuda else {}
    more |= {"precision": "f64" if args.x64 else "f32", "loss": f"{losses[0]},{losses[-1]}"}
    more["s_per_epoch_of_5000"] = f"{statistics.median(times) / args.batch * 5:.2f}"
    report(args, first, times, {"peak_mib": peak}, ["jax", "eventax", "diffrax", "equinox"], **more)


if __name__ == "__main__":
    args = arguments()
    if args.library == "dcls":
        discrete(args, dcls, ["DCLS", "spikingjelly"], max_delay=args.max_delay)
    elif args.library == "snntorch":
        discrete(args, snntorch, ["snntorch"])
    else:
        eventax(args)
