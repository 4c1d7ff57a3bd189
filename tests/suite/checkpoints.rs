//! Checkpoint files: names and shapes, and what becomes of foreign, damaged and hostile ones.
#![cfg(feature = "files")]

use crate::task::{data, network, trainer};
use eventprop::train::{Checkpoint, CheckpointError, Checkpoints, History};
use eventprop::{Delays, Dense, Lif, Network, NetworkBuilder, Quantization, SpikingNetwork};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;

/// A checkpoint of a run, with all that there may be in one.
fn bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let trainer = trainer(2).checkpoints(Checkpoints::new(folder.path()));
        trainer.fit(&mut network(), &data(24, 1), Some(&data(9, 2)), &mut []).unwrap();
        std::fs::read(folder.path().join("epoch-000002.safetensors")).unwrap()
    })
}

/// Loads these bytes as a file.
fn load(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("x.safetensors");
    std::fs::write(&path, bytes).unwrap();
    Checkpoint::load(&path).map_err(|error| match error {
        CheckpointError::File { path: found, cause } if found == path => *cause,
        other => panic!("{other:?}"),
    })
}

/// The checksum that belongs to what was changed by someone who knows how.
fn sign(bytes: &mut [u8]) {
    let content = bytes.len() - 8;
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes[..content].iter().fold(0xcbf2_9ce4_8422_2325, step);
    bytes[content..].copy_from_slice(&hash.to_le_bytes());
}

fn one_layer(hidden: usize) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let output = net.layer("output", Lif::new(hidden));
    net.connect(input, output, Dense::weights(1.0).delays(2.0));
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

#[test]
fn names_and_shapes_are_those_that_users_expect() {
    let file = SafeTensors::deserialize(bytes()).unwrap();
    let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
    for prefix in ["", "best.", "optimizer.first_moment.", "optimizer.second_moment."] {
        let shape = |name: &str| shape(&format!("{prefix}{name}"));
        assert_eq!(shape("layers.hidden.weight"), [8, 6]);
        assert_eq!(shape("layers.hidden.delay.0"), [8, 6]);
        assert_eq!(shape("layers.hidden.delay.1"), [6]);
        assert_eq!(shape("layers.hidden.recurrent.weight"), [16]);
        assert_eq!(shape("layers.hidden.recurrent.delay"), [16]);
        assert_eq!(shape("layers.output.from.hidden.weight"), [3, 8]);
        assert_eq!(shape("layers.output.from.input.delay"), [3, 6]);
        assert_eq!(shape("layers.hidden.tau_mem"), [1]);
    }
    for list in ["post", "pre"] {
        let tensor = file.tensor(&format!("layers.hidden.recurrent.{list}")).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::I64, &[16][..]));
    }
    assert_eq!(file.len(), 4 * 9 + 2 + 2);
    let history: History = serde_json::from_slice(file.tensor("_history").unwrap().data()).unwrap();
    assert_eq!(Some(&history), load(bytes()).unwrap().history());
    let (_, header) = SafeTensors::read_metadata(bytes()).unwrap();
    let json = &header.metadata().as_ref().unwrap()["eventprop"];
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["format"], "eventprop checkpoint");
    assert_eq!(json["training"]["epochs"], 2);
    assert_eq!(json["training"]["settings"]["seed"], "11");
    assert_eq!(json["delays"]["layers.hidden.delay.1"]["per"], "Source");
    assert_eq!(json["delays"]["layers.hidden.recurrent.delay"]["smooth"], false);
}

/// Numbers alone do not tell a delay from its smooth parameter, nor a source from a target.
#[test]
fn delays_of_another_kind_are_refused() {
    let build = |delays: Delays, max: f64| {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", 3);
        let output = net.layer("output", Lif::new(3));
        net.connect(input, output, Dense::weights(1.0).delays(delays).max_delay(max));
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    };
    let plain = || Delays::per_synapse(2.0);
    let cases = [
        (build(plain(), 9.0), build(plain().smooth(), 9.0), "smooth delays per synapse up to 9 ms"),
        (build(plain(), 9.0), build(plain(), 5.0), "delays per synapse up to 5 ms"),
        (build(Delays::axonal(2.0), 9.0), build(Delays::dendritic(2.0), 9.0), "delays per target"),
        (
            build(plain().smooth(), 9.0),
            build(plain().smooth(), 20.0),
            "smooth delays per synapse up to 20",
        ),
    ];
    for (from, mut to, word) in cases {
        let before = format!("{:?}", to.parameters());
        let error = Checkpoint::new(&from).restore(&mut to).unwrap_err().to_string();
        assert!(error.contains("layers.output.delay") && error.contains(word), "{error}");
        assert_eq!(format!("{:?}", to.parameters()), before);
    }
    let mut longer = build(plain(), 20.0);
    Checkpoint::new(&build(Delays::per_synapse(7.0), 9.0)).restore(&mut longer).unwrap();
    assert!(longer.parameters()[1].1.values.iter().all(|&d| d == 7.0));
}

#[test]
fn exact_parameters_pass_from_a_network_to_its_rounded_form_and_back() {
    for delays in [Delays::per_synapse(2.3), Delays::per_synapse(2.3).smooth()] {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", 3);
        let output = net.layer("output", Lif::new(3));
        net.connect(input, output, Dense::weights(0.7).delays(delays).max_delay(9.7));
        let mut net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let rounding = Quantization::new().delay_step(1.0).weight_bits(4);
        let mut rounded = rounding.straight_through(&net).unwrap();
        Checkpoint::new(&net).restore(&mut rounded).unwrap();
        net.parameters_mut()[0].1.values.fill(0.9);
        Checkpoint::new(&rounded).restore(&mut net).unwrap();
        assert!(net.parameters()[0].1.values.iter().all(|&w| w == 0.7));
    }
}

#[test]
fn parameters_alone_in_single_precision_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let build = |weight: f32| {
        let mut net = NetworkBuilder::<f32>::new();
        let input = net.input("input", 2);
        let output = net.layer("output", Lif::new(3));
        net.connect(input, output, Dense::weights(weight).delays(1.5));
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    };
    let (net, mut other) = (build(0.1), build(0.2));
    Checkpoint::new(&net).save(&path).unwrap();
    let checkpoint = Checkpoint::load(&path).unwrap();
    assert!(checkpoint.history().is_none());
    checkpoint.restore(&mut other).unwrap();
    assert_eq!(net.parameters(), other.parameters());
    let error = checkpoint.restore(&mut one_layer(3)).unwrap_err();
    let found = "tensor `layers.output.weight` is F32 of shape [3, 2], but this network has F64 of shape [3, 2]";
    assert_eq!(error.to_string(), found);
}

#[test]
fn other_networks_are_refused_by_name() {
    let mut net = one_layer(3);
    let before = format!("{:?}", net.parameters());
    let error = Checkpoint::new(&one_layer(4)).restore(&mut net).unwrap_err();
    assert!(
        matches!(&error, CheckpointError::Tensor { name, .. } if name == "layers.output.weight")
    );
    let error = load(bytes()).unwrap().restore(&mut net).unwrap_err();
    assert!(matches!(&error, CheckpointError::Tensor { .. }), "{error}");
    assert_eq!(format!("{:?}", net.parameters()), before);
    // A range of weights, which would move them.
    let ranged = |max: f64| {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", 2);
        let output = net.layer("output", Lif::new(3));
        net.connect(input, output, Dense::weights(0.7).max_weight(max));
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    };
    let checkpoint = Checkpoint::new(&ranged(2.0));
    checkpoint.restore(&mut ranged(2.0)).unwrap();
    let error = checkpoint.restore(&mut ranged(1.0)).unwrap_err();
    assert_eq!(error, CheckpointError::Fixed { name: "input->output".to_owned() });
    // Other synapses that share a delay.
    let grouped = |groups: [usize; 2]| {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", 2);
        let output = net.layer("output", Lif::new(2));
        let delays = Delays::axonal(vec![1.0, 2.0]).groups(groups);
        net.connect(input, output, Dense::weights(0.7).delays(delays));
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    };
    let checkpoint = Checkpoint::new(&grouped([0, 1]));
    checkpoint.restore(&mut grouped([0, 1])).unwrap();
    let error = checkpoint.restore(&mut grouped([1, 0])).unwrap_err();
    assert_eq!(error, CheckpointError::Fixed { name: "input->output".to_owned() });
    // The same receptors, and other synapses that reach them.
    let receptors = |slow: usize| {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", 2);
        let output = net.layer("output", Lif::new(2).tau_syn(10.0));
        for (k, pre) in [input, output.into()].into_iter().enumerate() {
            let dense = Dense::weights(0.7).delays(1.0);
            net.connect(pre, output, if k == slow { dense.tau_syn(2.0) } else { dense });
        }
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    };
    let checkpoint = Checkpoint::new(&receptors(0));
    checkpoint.restore(&mut receptors(0)).unwrap();
    let error = checkpoint.restore(&mut receptors(1)).unwrap_err();
    assert!(matches!(error, CheckpointError::Fixed { .. }), "{error}");
    // A network with more, trained or not.
    let more = |learned: bool| {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", 2);
        let output = net.layer("output", Lif::new(3));
        net.connect(input, output, Dense::weights(0.7).delays(2.0));
        let dense = Dense::weights(0.1);
        net.connect(output, output, if learned { dense } else { dense.fixed_weights() });
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    };
    let error = Checkpoint::new(&more(true)).restore(&mut one_layer(3)).unwrap_err();
    assert!(
        error.to_string().contains("`layers.output.recurrent.weight` is in the file"),
        "{error}"
    );
    let error = Checkpoint::new(&more(false)).restore(&mut one_layer(3)).unwrap_err();
    assert_eq!(error, CheckpointError::Fixed { name: "output->output".to_owned() });
    // Parameters that mean something else among other fixed values: delays of another seed, another constant.
    let fixed = |delay: f64, tau_mem: f64| {
        let mut net = NetworkBuilder::<f64>::new();
        let input = net.input("input", 2);
        let output = net.layer("output", Lif::new(3).tau_mem(tau_mem));
        net.connect(input, output, Dense::weights(0.7).fixed_delays(delay));
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    };
    let checkpoint = Checkpoint::new(&fixed(1.5, 20.0));
    checkpoint.restore(&mut fixed(1.5, 20.0)).unwrap();
    for (mut other, name) in [(fixed(1.6, 20.0), "input->output"), (fixed(1.5, 10.0), "output")] {
        let error = checkpoint.restore(&mut other).unwrap_err();
        assert_eq!(error, CheckpointError::Fixed { name: name.to_owned() });
    }
    // The best epoch's, not the last one's.
    let mut best = network();
    load(bytes()).unwrap().restore(&mut best).unwrap();
    let file = SafeTensors::deserialize(bytes()).unwrap();
    let stored = file.tensor("best.layers.hidden.tau_mem").unwrap();
    let tau = best.parameters().iter().find(|(owner, _)| *owner == "hidden").unwrap().1.values[0];
    assert_eq!(tau.to_le_bytes(), stored.data());
}

#[test]
fn foreign_damaged_and_hostile_files_are_told_apart() {
    assert!(matches!(load(b""), Err(CheckpointError::Format { .. })));
    assert!(matches!(load(b"\x80\x04 a pickle of something"), Err(CheckpointError::Format { .. })));
    // A header as long as memory, in a file of 9 bytes.
    assert!(matches!(
        load(b"\xff\xff\xff\xff\xff\xff\xff\x7f{"),
        Err(CheckpointError::Format { .. })
    ));
    let with = |metadata: Option<&str>| {
        let view = TensorView::new(Dtype::U8, vec![8], &[0; 8]).unwrap();
        let metadata = metadata.map(|m| HashMap::from([("eventprop".to_owned(), m.to_owned())]));
        let mut bytes = serialize([("checksum", view)], metadata).unwrap();
        sign(&mut bytes);
        bytes
    };
    assert!(matches!(load(&with(None)), Err(CheckpointError::Foreign { .. })));
    let other = r#"{"format": "something else", "version": 1}"#;
    assert!(matches!(load(&with(Some(other))), Err(CheckpointError::Foreign { .. })));
    let later = r#"{"format": "eventprop checkpoint", "version": 5, "more": []}"#;
    let expected = CheckpointError::Version { found: 5, expected: 4 };
    assert_eq!(load(&with(Some(later))), Err(expected));
    // One of another version is left alone, not written over.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("epoch-000009.safetensors");
    std::fs::write(&file, with(Some(later))).unwrap();
    let checkpoints = Checkpoints::new(folder.path()).resume(true);
    let result = trainer(3).checkpoints(checkpoints).fit(
        &mut network(),
        &data(24, 1),
        Some(&data(9, 2)),
        &mut [],
    );
    assert!(result.unwrap_err().to_string().contains("version 4"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read(&file).unwrap(), with(Some(later)));
    let deep = format!(r#"{{"format": {}"#, "[".repeat(100_000));
    assert!(matches!(load(&with(Some(&deep))), Err(CheckpointError::Metadata { .. })));
    assert!(matches!(
        load(&[bytes(), b"more"].concat()),
        Err(CheckpointError::Format { .. } | CheckpointError::Checksum { .. })
    ));
    // A value that is no number, under a good checksum.
    let mut hostile = bytes().to_vec();
    let place = hostile.len() - 8 - 8;
    assert!(SafeTensors::deserialize(&hostile).is_ok());
    let file = SafeTensors::deserialize(bytes()).unwrap();
    let start = file.tensor("layers.hidden.weight").unwrap().data().as_ptr() as usize;
    let start = start - bytes().as_ptr() as usize;
    assert!(start <= place);
    hostile[start..start + 8].copy_from_slice(&f64::NAN.to_le_bytes());
    assert!(matches!(load(&hostile), Err(CheckpointError::Checksum { .. })));
    sign(&mut hostile);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("epoch-000002.safetensors"), &hostile).unwrap();
    let trainer = trainer(3).checkpoints(Checkpoints::new(folder.path()).resume(true));
    let error = trainer.fit(&mut network(), &data(24, 1), Some(&data(9, 2)), &mut []).unwrap_err();
    assert!(error.to_string().contains("`layers.hidden.weight` has NaN at position 0"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn cut_anywhere_it_is_an_error(share in 0.0..1.0_f64) {
        let bytes = bytes();
        let cut = (share * bytes.len() as f64) as usize;
        prop_assert!(load(&bytes[..cut]).is_err());
    }

    #[test]
    fn any_flipped_bit_is_found(place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(load(&bytes).is_err());
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// With a checksum that fits, nothing more can be asked than that nothing breaks.
    #[test]
    fn whoever_signs_his_changes_gets_an_error_or_a_checkpoint(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..8),
    ) {
        let mut bytes = bytes().to_vec();
        let header = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        for (place, value, in_header) in changes {
            let range = if in_header { 8 + header } else { bytes.len() - 8 };
            let place = place.index(range);
            bytes[place] = value;
        }
        sign(&mut bytes);
        if let Ok(checkpoint) = load(&bytes) {
            let _ = checkpoint.restore(&mut network());
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("epoch-000002.safetensors"), &bytes).unwrap();
        let trainer = trainer(2).checkpoints(Checkpoints::new(folder.path()).resume(true));
        let _ = trainer.fit(&mut network(), &data(24, 1), Some(&data(9, 2)), &mut []);
    }
}
