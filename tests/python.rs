//! Against programs in Python, where there are any: `scripts/python.sh` installs them.

#![cfg(all(feature = "mlgenn", feature = "nir"))]

#[path = "support/python.rs"]
mod program;

use eventprop::exchange::nir::{Delayed, Export, Graph, Import, Jump, TimeUnit};
use eventprop::exchange::npy::{self, Precision};
#[cfg(feature = "files")]
use eventprop::train::Checkpoint;
use eventprop::{
    Delays, Dense, LeakyIntegrator, Lif, Network, NetworkBuilder, Sparse, SpikeTrains,
    SpikingNetwork,
};
use ndarray::{ArrayD, arr2};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use std::ffi::OsStr;
use std::path::PathBuf;

/// What a script of `tests/python` prints; `None`, and a word about it, if a package that it needs is not there.
fn python(packages: &str, script: &str, arguments: &[impl AsRef<OsStr>]) -> Option<String> {
    program::run(packages, &format!("tests/python/{script}"), arguments)
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("eventprop-python-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn build(net: NetworkBuilder) -> SpikingNetwork {
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

#[test]
fn the_reference_package_reads_what_is_written_here() {
    let folder = folder("round-trip");
    let per_synapse =
        || Dense::weights(Normal::new(1.5, 0.5).unwrap()).delays(Uniform::new(0.0, 10.0).unwrap());
    let mut net = NetworkBuilder::new();
    let (one, two) = (net.input("one", 3), net.input("with/slash", 2));
    let hidden = net.layer("hidden", Lif::new(4).adaptation(-0.2, 40.0).bias(0.1));
    let output = net.layer("output", LeakyIntegrator::new(2));
    net.connect(one, hidden, per_synapse());
    net.connect(two, hidden, Dense::weights(1.0).delays(Delays::dendritic(2.0)).tau_syn(9.0));
    net.connect(hidden, hidden, Sparse::fan_in(2).weights(0.3).delays(Delays::axonal(1.0)));
    net.connect(hidden, output, per_synapse());
    let net = build(net);
    for delays in [Delayed::Branches(5), Delayed::Metadata] {
        let (ours, theirs) = (folder.join("ours.nir"), folder.join("theirs.nir"));
        let _ = Export::new().delays(delays).write(&net, &ours).unwrap();
        if python("nir", "nir_round_trip.py", &[&ours, &theirs]).is_none() {
            break;
        }
        let (ours, theirs) = (Graph::read(&ours).unwrap(), Graph::read(&theirs).unwrap());
        assert_eq!(ours, theirs);
        let (again, _) = Import::new().network::<f64>(&theirs).unwrap();
        if delays == Delayed::Metadata {
            let input = SpikeTrains::from_channels([[1.0]; 5]).unwrap();
            let spikes =
                |net: &SpikingNetwork| net.forward(&input, 50.0).unwrap().spikes(0).clone();
            assert!(spikes(&net).len() > 3);
            assert_eq!(spikes(&net), spikes(&again));
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_the_reference_package_writes_is_read_here() {
    let folder = folder("write");
    let path = folder.join("theirs.nir");
    if python("nir", "nir_write.py", &[&path]).is_some() {
        let import = Import::new().time_unit(TimeUnit::Seconds).jump(Jump::Weight);
        let (net, report) = import.read::<f64>(&path).unwrap();
        assert!(report.findings.is_empty(), "{report}");
        let up = net.synapses("in->neurons").unwrap();
        for post in 0..3 {
            assert_eq!(
                up.row(post).weights,
                [2.0 * (2 * post + 1) as f64, 2.0 * (2 * post + 2) as f64]
            );
            assert_eq!(up.row(post).delays, [0.0, 1.5]);
        }
        assert_eq!(net.synapses("neurons->neurons").unwrap().row(1).weights, [0.0, -2.0, 0.0]);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn numpy_reads_and_writes_the_same_arrays() {
    let folder = folder("npy");
    let array: ArrayD<f64> = arr2(&[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]).into_dyn();
    let thirds = array.mapv(|x| x / 3.0);
    npy::write(folder.join("single.npy"), &thirds, Precision::Single).unwrap();
    npy::write(folder.join("double.npy"), &thirds, Precision::Double).unwrap();
    if python("numpy", "npy.py", &[&folder]).is_some() {
        assert_eq!(npy::read(folder.join("c.npy")).unwrap(), thirds);
        for name in ["f.npy", "big.npy", "int.npy", "two.npy"] {
            assert_eq!(npy::read(folder.join(name)).unwrap(), array, "{name}");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// The ten lines of the guide.
#[cfg(feature = "files")]
#[test]
fn python_loads_a_checkpoint() {
    let folder = folder("checkpoint");
    let path = folder.join("net.safetensors");
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 3);
    let hidden = net.layer("hidden", Lif::new(2));
    net.connect(
        input,
        hidden,
        Dense::weights(arr2(&[[0.5, 1.0, 1.5], [2.0, 2.5, 3.0]])).delays(0.25),
    );
    net.connect(hidden, hidden, Dense::weights(-0.5).delays(Delays::axonal(2.0)));
    Checkpoint::new(&build(net)).save(&path).unwrap();
    if let Some(text) = python("safetensors.numpy", "checkpoint.py", &[&path]) {
        for line in [
            "eventprop checkpoint 4 ",
            "layers.hidden.weight [2, 3] 10.5",
            "layers.hidden.delay [2, 3] 1.5",
            "layers.hidden.recurrent.weight [2, 2] -2.0",
            "layers.hidden.recurrent.delay [2] 4.0",
            "layers.hidden.delay Synapse False None",
            "layers.hidden.recurrent.delay Source False None",
        ] {
            assert!(text.lines().any(|l| l.starts_with(line)), "{line}: {text}");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// Norse steps through time by Euler's method, and what a layer sends acts on the next from the start of the step
/// in which it is sent. So first spikes lie within a step for each layer of the exact ones. A grid also resets late, up to
/// a step for each spike, so later spikes stray, but less the shorter the step is.
#[test]
fn norse_finds_the_same_spikes_to_its_time_step() {
    let folder = folder("norse");
    let path = folder.join("net.nir");
    let times = [vec![1.0, 12.0], vec![2.5, 20.0], vec![4.0, 31.5]];
    let input = SpikeTrains::from_channels(times.clone()).unwrap();
    for layers in [1, 2] {
        let mut net = NetworkBuilder::new();
        let mut last = net.input("input", 3);
        for layer in 0..layers {
            let mean = [5.0, 0.5][layer];
            let neurons = Lif::new(4).tau_mem([20.0, 15.0][layer]).tau_syn([5.0, 8.0][layer]);
            let next = net.layer(format!("layer_{layer}"), neurons.threshold([1.0, 0.8][layer]));
            net.connect(last, next, Dense::weights(Normal::new(mean, 0.1 * mean).unwrap()));
            last = next.into();
        }
        let net = build(net);
        let trace = net.forward(&input, 50.0).unwrap();
        let mut greatest: Vec<f64> = Vec::new();
        for dt in [0.1, 0.05, 0.01] {
            let _ = Export::for_norse(dt).write(&net, &path).unwrap();
            let mut arguments = vec![path.display().to_string()];
            arguments.extend([dt.to_string(), (50.0 / dt).round().to_string()]);
            let each = times.iter().enumerate();
            arguments.extend(each.flat_map(|(c, t)| t.iter().map(move |t| format!("{c}:{t}"))));
            let Some(text) = python("nir, norse.torch", "norse_spikes.py", &arguments) else {
                return;
            };
            let mut found = vec![Vec::new(); 4];
            for line in text.lines() {
                let (neuron, time) = line.split_once(' ').unwrap();
                found[neuron.parse::<usize>().unwrap()].push(time.parse::<f64>().unwrap());
            }
            let (mut first, mut all) = (0.0_f64, 0.0_f64);
            for (neuron, found) in found.iter().enumerate() {
                let exact = trace.spikes(layers - 1).channel(neuron);
                assert!(exact.len() > 2);
                assert_eq!(found.len(), exact.len());
                first = first.max((found[0] - exact[0]).abs());
                let errors = found.iter().zip(exact).map(|(found, exact)| (found - exact).abs());
                all = errors.fold(all, f64::max);
            }
            println!(
                "{layers} layers, step {dt} ms: first spikes within {first} ms, all within {all} ms"
            );
            assert!(first <= layers as f64 * dt);
            greatest.push(all);
        }
        // A tenth of the step; first order would be a tenth of the error.
        assert!(greatest[2] < greatest[0] / 5.0, "{greatest:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
