//! Checkpoints of mlGeNN go out and come back.

#![cfg(feature = "mlgenn")]

use eventprop::exchange::Loss;
use eventprop::exchange::mlgenn::{MlGenn, MlGennError, Names};
use eventprop::exchange::npy::{self, Precision};
use eventprop::{Dense, Lif, Network, NetworkBuilder, Sparse, SpikingNetwork, SynapseRecipe};
use ndarray::Array1;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};
use std::path::PathBuf;

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("eventprop-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn save(&self, name: &str, values: &[f64]) {
        let array = Array1::from(values.to_vec()).into_dyn();
        npy::write(self.0.join(name), &array, Precision::Double).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn network(recipe: SynapseRecipe) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 4);
    let hidden = net.layer("hidden", Lif::new(3));
    net.connect(input, hidden, recipe);
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

fn values(net: &SpikingNetwork) -> Vec<Vec<f64>> {
    net.parameters().iter().map(|(_, p)| p.values.to_vec()).collect()
}

fn dense() -> SynapseRecipe {
    Dense::weights(Normal::new(0.0, 1.0).unwrap()).delays(Uniform::new(0.0, 40.0).unwrap())
}

fn sparse() -> SynapseRecipe {
    let synapses = Sparse::fan_in(2).copies(2);
    synapses.weights(Normal::new(0.0, 1.0).unwrap()).delays(Uniform::new(0.0, 40.0).unwrap())
}

#[test]
fn networks_come_back_to_the_last_bit_where_the_format_can() {
    let folder = Folder::new("mlgenn-exact");
    for (epoch, recipe) in [dense as fn() -> SynapseRecipe, sparse].into_iter().enumerate() {
        // Steps of a power of two round nothing.
        for names in [Names::Short, Names::Long] {
            let net = network(recipe());
            let mlgenn = MlGenn::new(0.25).precision(Precision::Double).names(names);
            let report = mlgenn.export(&net, &folder.0, epoch).unwrap();
            assert_eq!(report.to_string(), "`hidden`: the constants of the neurons: lost");
            let connection = mlgenn.read(&folder.0, epoch, "Conn_Pop0_Pop1").unwrap();
            let again = network(connection.synapses(3, 4).unwrap());
            assert_eq!(values(&again), values(&net));
            for file in std::fs::read_dir(&folder.0).unwrap() {
                std::fs::remove_file(file.unwrap().path()).unwrap();
            }
        }
    }
}

#[test]
fn what_an_earlier_export_left_is_not_read_with_a_later_one() {
    let folder = Folder::new("mlgenn-again");
    let exact = |names| MlGenn::new(0.25).precision(Precision::Double).names(names);
    let _ = exact(Names::Short).export(&network(sparse()), &folder.0, 7).unwrap();
    let net = network(dense());
    let _ = exact(Names::Long).export(&net, &folder.0, 7).unwrap();
    let connection = exact(Names::Short).read(&folder.0, 7, "Conn_Pop0_Pop1").unwrap();
    assert_eq!(values(&network(connection.synapses(3, 4).unwrap())), values(&net));
    let typo = MlGenn::new(0.25).connection("typo->x", "Conn").export(&net, &folder.0, 8);
    let error = typo.unwrap_err().to_string();
    assert!(error.contains("typo->x") && error.contains("input->hidden"), "{error}");
}

#[test]
fn two_projections_never_share_files() {
    let folder = Folder::new("mlgenn-names");
    let mut net = NetworkBuilder::new();
    let input = net.input("in#1", 2);
    let hidden = net.layer("hidden", Lif::new(2));
    net.connect(input, hidden, Dense::weights(1.0));
    net.connect(input, hidden, Dense::weights(2.0));
    let net: SpikingNetwork = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let export = |mlgenn: MlGenn| mlgenn.export(&net, &folder.0, 0);
    let _ = export(MlGenn::new(1.0)).unwrap();
    for (connection, weight) in [("Conn_Pop0_Pop1", 1.0), ("Conn_Pop0_Pop1_2", 2.0)] {
        let connection = MlGenn::new(1.0).read(&folder.0, 0, connection).unwrap();
        let mut again = NetworkBuilder::new();
        let pre = again.input("input", 2);
        let post = again.layer("hidden", Lif::new(2));
        again.connect(pre, post, connection.synapses(2, 2).unwrap());
        let again: SpikingNetwork = again.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        assert_eq!(values(&again)[0], [weight; 4]);
    }
    let error = export(MlGenn::new(1.0).connection("in#1->hidden", "Conn_Pop0_Pop1_2"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`in#1->hidden` and `in#1->hidden#2`"), "{error}");
    // The last name counts.
    let named = MlGenn::new(1.0).connection("in#1->hidden", "A").connection("in#1->hidden", "B");
    let _ = export(named).unwrap();
    assert!(MlGenn::new(1.0).read(&folder.0, 0, "B").is_ok());
}

#[test]
fn rounding_is_named_and_no_more_than_named() {
    let folder = Folder::new("mlgenn-rounded");
    let net = network(dense());
    let mlgenn = MlGenn::new(0.1).connection("input->hidden", "Mine");
    let report = mlgenn.export(&net, &folder.0, 3).unwrap();
    let again = network(mlgenn.read(&folder.0, 3, "Mine").unwrap().synapses(3, 4).unwrap());
    for (block, what) in ["weights", "delays"].into_iter().enumerate() {
        let pairs = values(&net)[block].clone().into_iter().zip(values(&again)[block].clone());
        let found = pairs.map(|(a, b)| ((b - a) / a).abs()).fold(0.0, f64::max);
        let named = report.findings.iter().find_map(|f| match f.loss {
            Loss::Rounded { what: w, most } if w == what => Some(most),
            _ => None,
        });
        assert_eq!(named, Some(found));
        assert!(found > 0.0 && found < 1e-7);
    }
}

#[test]
fn arrays_are_pre_by_post_and_delays_are_steps() {
    let folder = Folder::new("mlgenn-order");
    let weights: Vec<f64> = (0..12).map(f64::from).collect();
    let steps: Vec<f64> = weights.iter().map(|w| w + 0.625).collect();
    folder.save("0-C-g.npy", &weights);
    folder.save("0-C-d.npy", &steps);
    let mlgenn = MlGenn::new(0.5);
    let connection = mlgenn.read(&folder.0, 0, "C").unwrap();
    let net = network(connection.synapses(3, 4).unwrap());
    let synapses = net.synapses("input->hidden").unwrap();
    for post in 0..3 {
        for synapse in synapses.row(post).iter() {
            let place = (synapse.pre * 3 + post) as f64;
            assert_eq!((synapse.weight, synapse.delay), (place, (place + 0.625) * 0.5));
        }
    }
    // As mlGeNN simulates it.
    let net = network(connection.rounded(9).synapses(3, 4).unwrap());
    assert_eq!(net.synapses("input->hidden").unwrap().row(1).delays, [1.0, 2.5, 4.0, 4.5]);
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    let folder = Folder::new("mlgenn-refused");
    let mlgenn = MlGenn::new(1.0);
    let read = || mlgenn.read(&folder.0, 0, "C");
    assert!(matches!(read(), Err(MlGennError::NoWeights { .. })));
    folder.save("0-C-g.npy", &[1.0; 11]);
    let short = read().unwrap().synapses::<f64>(3, 4).unwrap_err();
    assert!(matches!(short, MlGennError::Count { found: 11, expected: 12, .. }));
    assert!(read().unwrap().synapses::<f64>(usize::MAX, usize::MAX).is_err());
    folder.save("0-C-pre_ind.npy", &[0.0; 11]);
    assert!(matches!(read(), Err(MlGennError::Count { variable: "post_ind", .. })));
    folder.save("0-C-post_ind.npy", &[0.0; 10]);
    assert!(matches!(read(), Err(MlGennError::Count { variable: "post_ind", .. })));
    folder.save("0-C-post_ind.npy", &[0.5; 11]);
    assert!(matches!(read(), Err(MlGennError::Index { value: 0.5, .. })));
    folder.save("0-C-post_ind.npy", &[7.0; 11]);
    let mut net = NetworkBuilder::new();
    let (input, hidden) = (net.input("input", 4), net.layer("hidden", Lif::new(3)));
    net.connect(input, hidden, read().unwrap().synapses::<f64>(3, 4).unwrap());
    assert!(net.build(&mut ChaCha8Rng::seed_from_u64(1)).is_err());
    folder.save("0-C-post_ind.npy", &[0.0; 11]);
    folder.save("0-C-d.npy", &[1.0; 3]);
    assert!(matches!(read(), Err(MlGennError::Count { variable: "delay", .. })));
    std::fs::write(folder.0.join("0-C-d.npy"), b"rubbish").unwrap();
    assert!(matches!(read(), Err(MlGennError::Npy(_))));
    for dt in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = MlGenn::new(dt).read(&folder.0, 0, "C").unwrap_err();
        assert!(matches!(error, MlGennError::TimeStep { .. }));
    }
    // A folder is made, but not in the place of a file.
    let export = |name| MlGenn::new(1.0).export(&network(dense()), folder.0.join(name), 0);
    assert!(export("made/for/it").is_ok());
    assert!(matches!(export("0-C-d.npy"), Err(MlGennError::Npy(_))));
}
