//! Parts from outside of the crate: what their traits allow works, and what contradicts itself is refused by name.

use crate::task;
use eventprop::check::GradientCheck;
use eventprop::{
    Adjoint, AdjointError, ArrivalGradient, Bounds, BuildError, Connectivity, DelayedSynapses,
    Dense, Error, Layer, LayerError, MaxVoltage, MeanSquaredError, MeanVoltage, Network,
    NetworkBuilder, Objective, Parameter, ParameterKind, ParameterMut, PotentialSensitivity,
    Presynaptic, ReadoutError, Rewiring, Row, Sensitivity, SpikeTrains, SpikingNetwork,
    SynapseError, VoltageAt,
};
use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};

/// Membranes that rest at a trained potential, and to which arrivals add at once: V' = (leak - V) / tau.
#[derive(Debug, Clone)]
struct Membranes {
    leak: Vec<f64>,
    tau: f64,
    /// Where they start instead.
    start: Option<f64>,
    lie: Option<Lie>,
}

/// In what a layer contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    Receptor,
    Parameters,
}

const LEAK: ParameterKind = ParameterKind::Custom("leak");

impl Layer<f64> for Membranes {
    fn size(&self) -> usize {
        self.leak.len()
    }
    fn state_len(&self) -> usize {
        1
    }
    fn validate(&self) -> Result<(), LayerError> {
        if self.tau > 0.0 { Ok(()) } else { Err(LayerError::Other("tau is not above 0".into())) }
    }
    fn fires(&self) -> bool {
        false
    }
    fn rest(&self, neuron: usize, state: &mut [f64]) {
        state[0] = self.start.unwrap_or(self.leak[neuron]);
    }
    fn rest_back(&self, neuron: usize, adjoint: &mut Adjoint<'_, f64>) {
        if self.start.is_none() {
            adjoint.parameters[neuron] += adjoint.state[0];
        }
    }
    fn flow(&self, neuron: usize, dt: f64, state: &mut [f64]) {
        let leak = self.leak[neuron];
        state[0] = leak + (state[0] - leak) * (-dt / self.tau).exp();
    }
    fn next_spike(&self, _: usize, _: &[f64], _: f64) -> Option<f64> {
        None
    }
    fn receive(&self, _: usize, _: usize, weight: f64, state: &mut [f64]) {
        state[0] += weight;
    }
    fn fire(&self, _: usize, _: &mut [f64]) {}
    fn potential(&self, _: usize, state: &[f64]) -> f64 {
        state[0]
    }
    fn slope(&self, neuron: usize, state: &[f64]) -> f64 {
        (self.leak[neuron] - state[0]) / self.tau
    }
    fn flow_back(&self, neuron: usize, dt: f64, _: &[f64], adjoint: &mut Adjoint<'_, f64>) {
        let decay = (-dt / self.tau).exp();
        adjoint.parameters[neuron] += adjoint.state[0] * (1.0 - decay);
        adjoint.state[0] *= decay;
    }
    fn receive_back(
        &self,
        _: usize,
        _: usize,
        weight: f64,
        _: &[f64],
        adjoint: &mut Adjoint<'_, f64>,
    ) -> ArrivalGradient<f64> {
        ArrivalGradient { weight: adjoint.state[0], time: adjoint.state[0] * weight / self.tau }
    }
    fn fire_back(&self, _: usize, _: &[f64], _: f64, _: f64, _: &mut Adjoint<'_, f64>) {}
    fn potential_back(&self, _: usize, _: &[f64], gradient: f64, adjoint: &mut Adjoint<'_, f64>) {
        adjoint.state[0] += gradient;
    }
    fn stationary_points(&self, _: usize, _: &[f64], _: f64, _: &mut Vec<f64>) -> Option<()> {
        Some(())
    }
    fn parameters(&self) -> Vec<Parameter<'_, f64>> {
        vec![Parameter { kind: LEAK, values: &self.leak, bounds: Bounds::none() }]
    }
    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, f64>> {
        if self.lie == Some(Lie::Parameters) {
            return Vec::new();
        }
        vec![ParameterMut { kind: LEAK, values: &mut self.leak, bounds: Bounds::none() }]
    }
    fn receptor(&mut self, _: Option<f64>) -> Result<usize, LayerError> {
        Ok(if self.lie == Some(Lie::Receptor) { 5 } else { 0 })
    }
    fn fixed(&self) -> Option<Vec<f64>> {
        Some(vec![self.tau])
    }
}

pub fn membranes(tau: f64, weight: f64) -> SpikingNetwork {
    network(Membranes { leak: vec![0.3, -0.2], tau, start: None, lie: None }, weight)
}

fn network(membranes: Membranes, weight: f64) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let layer = net.layer("membranes", membranes);
    net.connect(input, layer, Dense::weights(weight).delays(1.0));
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

pub fn pulses() -> SpikeTrains {
    SpikeTrains::from_channels([[2.0, 4.5]]).unwrap()
}

#[test]
fn a_state_at_rest_that_is_trained() {
    let goal = Objective::new(VoltageAt::new([1.0, 8.0]), MeanSquaredError);
    let net = membranes(10.0, 0.7);
    let report = GradientCheck::new().run(&net, &pulses(), 30.0, &goal, &[0.0; 4][..]).unwrap();
    assert!(report.passed() && report.unchecked().count() == 0, "{report}");
    let error = LayerError::Other("tau is not above 0".into());
    assert_eq!(
        Membranes { leak: vec![], tau: -1.0, start: None, lie: None }.validate(),
        Err(error)
    );
}

#[test]
fn a_maximum_that_is_jumped_to_is_refused() {
    let most = Objective::new(MaxVoltage, MeanSquaredError);
    let judge = |weight: f64| {
        let net = membranes(10.0, weight);
        let trace = net.forward(&pulses(), 30.0).unwrap();
        net.evaluate(&trace, &most, &[0.0; 2][..])
    };
    match judge(0.7).unwrap_err() {
        Error::Readout(ReadoutError::NoClosedForm { layer, what }) => {
            assert_eq!(layer, "membranes");
            assert!(what.contains("jumps to"), "{what}");
        }
        other => panic!("{other}"),
    }
    // Those that jump down from their greatest potential have one, and those that rise beyond where they jumped to.
    assert_eq!(judge(-0.7).unwrap().readout[0], 0.3);
    let net =
        network(Membranes { leak: vec![1.0, 2.0], tau: 10.0, start: Some(0.0), lie: None }, 0.1);
    let report = GradientCheck::new().run(&net, &pulses(), 30.0, &most, &[0.0; 2][..]).unwrap();
    assert!(report.passed(), "{report}");
}

#[test]
fn an_integral_that_a_model_does_not_have_is_refused() {
    let net = membranes(10.0, 0.7);
    let trace = net.forward(&pulses(), 30.0).unwrap();
    let mut sensitivity = Sensitivity::default();
    sensitivity.reset(&trace);
    let term = PotentialSensitivity::Integral { neuron: 1, rate: 0.1, gradient: 1.0 };
    sensitivity.layers[0].potentials.push(term);
    let error = net.adjoint(&trace, sensitivity).unwrap_err();
    assert!(matches!(error, AdjointError::Sensitivity { found: 0.1, .. }), "{error}");
    let mean = Objective::new(MeanVoltage, MeanSquaredError);
    assert!(net.backward(&trace, &mean, &[0.0; 2][..]).is_err());
}

#[test]
fn layers_that_contradict_themselves_are_refused() {
    let build = |lie| {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 1);
        let leak = vec![0.3, -0.2];
        let layer = net.layer("membranes", Membranes { leak, tau: 10.0, start: None, lie });
        net.connect(input, layer, Dense::weights(1.0));
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap_err().to_string()
    };
    for (lie, words) in [
        (Lie::Receptor, "gave out receptor 5, but says that it has 1"),
        (Lie::Parameters, "`parameters` and `parameters_mut` differ"),
    ] {
        let error = build(Some(lie));
        assert!(error.contains(words) && error.contains("`membranes`"), "{error}");
    }
}

/// Synapses that say of themselves what they are told to.
#[derive(Debug, Clone)]
pub struct Raw {
    first: [usize; 2],
    sources: Option<Vec<u32>>,
    weights: Vec<f64>,
    delays: Vec<f64>,
    synapses: usize,
}

impl Raw {
    /// Of each of two targets with both of two sources.
    pub fn good() -> Self {
        let (weights, delays) = (vec![0.5; 2], vec![1.0; 2]);
        Self { first: [0, 2], sources: Some(vec![0, 1]), weights, delays, synapses: 4 }
    }
}

impl DelayedSynapses<f64> for Raw {
    fn shape(&self) -> (usize, usize) {
        (2, 2)
    }
    fn synapses(&self) -> usize {
        self.synapses
    }
    fn row(&self, post: usize) -> Row<'_, f64> {
        let sources = self.sources.as_deref().map_or(Presynaptic::All, Presynaptic::List);
        Row { first: self.first[post], sources, weights: &self.weights, delays: &self.delays }
    }
    fn parameters(&self) -> Vec<Parameter<'_, f64>> {
        Vec::new()
    }
    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, f64>> {
        Vec::new()
    }
    fn update(&mut self) {}
    fn pull_back(&self, _: &[f64], _: &[f64], _: &mut [f64]) {}
    fn raise_weights(&mut self, _: usize, _: f64) {}
    fn rewire(&mut self, _: &Rewiring<f64>) -> Result<Vec<Option<usize>>, SynapseError> {
        Ok(vec![Some(7)])
    }
}

impl Connectivity<f64> for Raw {
    fn connect(
        self,
        _: usize,
        _: usize,
        _: &mut dyn Rng,
    ) -> Result<Box<dyn DelayedSynapses<f64>>, SynapseError> {
        Ok(Box::new(self))
    }
}

#[test]
fn rows_that_contradict_themselves_are_refused() {
    let build = |raw: Raw| {
        let mut net = NetworkBuilder::new();
        let input = net.input("first", 2);
        let second = net.input("second", 2);
        let layer = net
            .layer("membranes", Membranes { leak: vec![0.0; 2], tau: 9.0, start: None, lie: None });
        net.connect(input, layer, raw).connect(second, layer, Dense::weights(1.0));
        net.build(&mut ChaCha8Rng::seed_from_u64(1))
    };
    assert!(build(Raw::good()).is_ok());
    assert!(build(Raw { sources: None, ..Raw::good() }).is_ok());
    let error = build(Raw::good()).unwrap().rewire("first->membranes", &Rewiring::default());
    assert!(
        error.unwrap_err().to_string().contains("the places of 0 parameters among the 0 before")
    );
    let says = |raw: Raw, post: usize, words: &str| match build(raw).unwrap_err() {
        BuildError::Synapses { name, cause: SynapseError::Row { post: found, what } } => {
            assert_eq!((name.as_str(), found), ("first->membranes", post));
            assert_eq!(what, words);
        }
        other => panic!("{other}"),
    };
    // Channel 2 would be one of the second input.
    let beyond = Raw { sources: Some(vec![0, 2]), ..Raw::good() };
    says(beyond, 0, "source 2, but there are 2 (0-based)");
    let short = Raw { sources: Some(vec![0]), ..Raw::good() };
    says(short, 0, "1 sources, 2 weights, 2 delays");
    let long = Raw { delays: vec![1.0; 3], ..Raw::good() };
    says(long, 0, "2 sources, 2 weights, 3 delays");
    let sparse = Raw { sources: None, weights: vec![0.5], delays: vec![1.0], ..Raw::good() };
    says(sparse, 0, "2 sources, 1 weights, 1 delays");
    let twice = Raw { first: [0, 0], ..Raw::good() };
    says(twice, 1, "the first is number 0, but 2 come before it");
    let few = Raw { synapses: 3, ..Raw::good() };
    says(few, 1, "with it there are 4 synapses, but `synapses` says 3");
}

#[cfg(feature = "files")]
mod checkpoints {
    use super::*;
    use eventprop::train::{Checkpoint, Checkpoints, Trainer};
    use eventprop::{Gradients, OptimizeError, Optimizer, OptimizerState, Rates};

    #[test]
    fn constants_of_other_models_are_compared() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        Checkpoint::new(&membranes(10.0, 0.7)).save(&path).unwrap();
        let stored = Checkpoint::load(&path).unwrap();
        stored.restore(&mut membranes(10.0, 0.2)).unwrap();
        let error = stored.restore(&mut membranes(25.0, 0.7)).unwrap_err().to_string();
        assert!(error.contains("`membranes` has other"), "{error}");
    }

    #[test]
    fn what_could_not_be_read_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        let mut net = membranes(10.0, 0.7);
        net.parameters_mut()[0].1.values[1] = f64::INFINITY;
        let error = Checkpoint::new(&net).save(&path).unwrap_err().to_string();
        assert!(error.contains("has inf at position 1"), "{error}");
        assert!(!path.exists());
    }

    /// An optimiser that takes no step and remembers a list.
    #[derive(Debug, Clone)]
    struct Remembers(Vec<f64>);

    impl Optimizer<f64> for Remembers {
        fn step(
            &mut self,
            network: &mut dyn Network<f64>,
            _: &Gradients<f64>,
        ) -> Result<(), OptimizeError> {
            // Optimisers from outside can go by rates as those of the crate do.
            let mut rates = Rates::new(0.1);
            rates.set_relative(LEAK, 0.0);
            assert!(rates.freezes("membranes", LEAK) && !rates.freezes("x", ParameterKind::Delay));
            rates.set_relative("membrains", 1.0);
            let error = rates.check(&network.layout());
            assert!(matches!(error, Err(OptimizeError::NoSuchGroup { .. })), "{error:?}");
            Ok(())
        }
        fn state(&mut self) -> OptimizerState<'_, f64> {
            OptimizerState { rates: None, steps: None, lists: vec![("least", &mut self.0)] }
        }
    }

    #[test]
    fn lists_of_an_optimiser_have_one_value_per_parameter() {
        let fit = |list: Vec<f64>| {
            let folder = tempfile::tempdir().unwrap();
            let trainer = Trainer::new(task::objective(), Remembers(list)).epochs(1).batch(24);
            let trainer = trainer.checkpoints(Checkpoints::new(folder.path()));
            trainer.fit(&mut task::network(), &task::data(24, 1), None, &mut [])
        };
        let all = task::network().parameters().iter().map(|(_, p)| p.values.len()).sum();
        assert!(fit(vec![0.0; all]).is_ok());
        assert!(fit(Vec::new()).is_ok());
        let says = |list: Vec<f64>, words: &str| {
            let error = fit(list).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        says(vec![0.0], "tensor `optimizer.least` has 1 values, but a list of an optimiser has");
        says(vec![0.0; 2 * all], "one per parameter");
        says(vec![f64::INFINITY; all], "has inf at position 0");
    }
}
