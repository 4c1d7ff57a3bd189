//! The example of synapses from outside the crate passes the gradient checker.

#[path = "../../examples/custom_synapses.rs"]
#[allow(dead_code)]
mod example;

use eventprop::check::GradientCheck;
use eventprop::{
    CrossEntropy, Engine, MeanVoltage, Network, Objective, Rewiring, SpikeTrains, SynapseError,
};

#[test]
fn low_rank_weights_and_delays_by_distance() {
    let input = [vec![1.0, 8.0], vec![3.0], vec![6.0, 6.7], vec![7.0], vec![9.5, 20.0]];
    let input = SpikeTrains::from_channels(input).unwrap();
    let objective = Objective::new(MeanVoltage, CrossEntropy::new());
    for engine in [Engine::Fast, Engine::Plain] {
        let net = example::network().unwrap().with_engine(engine);
        assert!(net.forward(&input, 50.0).unwrap().spikes(0).len() > 6);
        let report = GradientCheck::new().run(&net, &input, 50.0, &objective, &1).unwrap();
        assert!(report.passed(), "{report}");
        assert_eq!(report.skipped() + report.inconclusive(), 0, "{report}");
    }
}

#[test]
fn what_they_do_not_offer_is_refused() {
    let mut net = example::network().unwrap();
    let name = net.projections().next().unwrap().to_owned();
    let before: Vec<f64> = net.parameters()[0].1.values.to_vec();
    let change = Rewiring { remove: vec![0], ..Rewiring::default() };
    let error = net.rewire(&name, &change).unwrap_err();
    let cause = SynapseError::Rigid;
    assert_eq!(error, eventprop::BuildError::Synapses { name: name.clone(), cause });
    assert_eq!(net.parameters()[0].1.values, before);
    let error = serde_json::to_string(&net).unwrap_err().to_string();
    assert!(error.contains(&format!("`{name}`")), "{error}");
}
