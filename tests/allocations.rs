//! Training allocates nothing per sample, and a stream nothing per event: what one needed serves the next.

use allocation_counter::measure;
use eventprop::remedy::{GradientClip, SlopeLimiter, SpikeCountRegularizer};
use eventprop::{
    BackwardOptions, Constant, CrossEntropy, Dense, Engine, FirstSpikeTime, LeakyIntegrator, Lif,
    MaxVoltage, MeanSquaredError, MeanVoltage, Network, NetworkBuilder, Objective, ParameterKind,
    Readout, Sample, Simulator, SpikeTimes, SpikeTrains, SpikingNetwork, Trace, VanRossum,
    VoltageAt, backward_batch, backward_batch_with, evaluate_batch,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

const DURATION: f64 = 60.0;
const CHANNELS: usize = 5;

/// What runs where: a hidden layer and three outputs.
#[derive(Clone, Copy, Debug)]
struct Case {
    engine: Engine,
    recurrent: bool,
    output_fires: bool,
    /// Another receptor of the hidden layer.
    second_receptor: bool,
    /// Adaptation, a refractory period and trainable constants of the hidden layer.
    rich: bool,
    /// Input spikes per sample; the fast engine wants hundreds.
    spikes: usize,
}

impl Case {
    fn network(&self, rng: &mut ChaCha8Rng) -> SpikingNetwork {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", CHANNELS);
        let mut lif = Lif::new(12).tau_mem(20.0).tau_syn(5.0);
        if self.rich {
            let tau_mem = Constant::trainable(vec![20.0; 12]);
            lif = lif.tau_mem(tau_mem).adaptation(-0.1, 30.0).adaptive_threshold(0.1, 20.0);
            lif = lif.refractory(Constant::trainable(1.0)).bias(0.1);
        }
        let hidden = net.layer("hidden", lif);
        let delays = Uniform::new(0.0, 5.0).unwrap();
        let weight = 60.0 / self.spikes as f64;
        let weights = Normal::new(weight, weight / 2.0).unwrap();
        net.connect(input, hidden, Dense::weights(weights).delays(delays));
        if self.second_receptor {
            let weights = Normal::new(0.0, weight).unwrap();
            net.connect(input, hidden, Dense::weights(weights).delays(delays).tau_syn(12.0));
        }
        if self.recurrent {
            let weights = Normal::new(0.0, 0.2).unwrap();
            net.connect(hidden, hidden, Dense::weights(weights).delays(delays));
        }
        let output = if self.output_fires {
            net.layer("output", Lif::new(3))
        } else {
            net.layer("output", LeakyIntegrator::new(3).tau_mem(20.0).tau_syn(5.0))
        };
        net.connect(hidden, output, Dense::weights(Normal::new(0.5, 0.2).unwrap()));
        net.build(rng).unwrap().with_engine(self.engine)
    }
}

/// What each part of the objective wants.
struct Wanted {
    label: usize,
    trains: SpikeTrains,
    curve: Vec<f64>,
}

fn check(case: Case, readout: impl Readout<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let net = case.network(&mut rng);
    let mut input = || {
        let event = |_| (rng.random::<f64>() * DURATION, rng.random_range(0..CHANNELS));
        let events: Vec<_> = (0..case.spikes).map(event).collect();
        SpikeTrains::from_events(CHANNELS, events).unwrap()
    };
    let inputs: Vec<SpikeTrains> = (0..24).map(|_| input()).collect();
    let target = Wanted {
        label: 1,
        trains: SpikeTrains::from_channels(vec![vec![3.0, 20.0]; 12]).unwrap(),
        curve: vec![0.3; 6],
    };
    let once: Vec<_> = inputs.iter().map(|input| Sample { input, target: &target }).collect();
    let twice = once.repeat(2);
    let imitate = Objective::new(SpikeTimes, VanRossum::new(5.0)).on_layer(0).weight(0.1);
    let follow = Objective::new(VoltageAt::new([20.0, 40.0]), MeanSquaredError);
    let objective = Objective::new(readout, CrossEntropy::new())
        .target(|wanted: &Wanted| &wanted.label)
        .and(imitate.target(|wanted: &Wanted| &wanted.trains))
        .and(follow.target(|wanted: &Wanted| &wanted.curve[..]));
    let backward = |samples: &[Sample<'_, Wanted>]| {
        let (summary, _) = backward_batch(&net, samples, DURATION, &objective).unwrap();
        assert!(summary.spikes[0].iter().sum::<u64>() > 500);
    };
    // The extra pass that counts the spikes of the batch, and what is counted for the report, are no exception.
    let options = BackwardOptions::new()
        .limit_slopes(SlopeLimiter::Relative(10.0))
        .regularize(SpikeCountRegularizer::new(0).upper(1.0, 1e-3))
        .clip(GradientClip::norm(ParameterKind::Delay, 1e-3))
        .near_ties(0.1);
    let with_remedies = |samples: &[Sample<'_, Wanted>]| {
        let run = backward_batch_with(&net, samples, DURATION, &objective, &options);
        let (summary, _) = run.unwrap();
        assert!(summary.health.layers[0].regularized > 0 && summary.health.near_ties > 0);
    };
    let evaluate = |samples: &[Sample<'_, Wanted>]| {
        evaluate_batch(&net, samples, DURATION, &objective).unwrap();
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        for run in [&backward as &(dyn Fn(&[Sample<'_, Wanted>]) + Sync), &with_remedies, &evaluate]
        {
            run(&twice);
            let count = |samples| measure(|| run(samples)).count_total;
            let (once, twice) = (count(&once), count(&twice));
            assert!(once > 0, "something is counted");
            assert_eq!(once, twice, "{case:?}");
        }
    });
}

const PLAIN: Case = Case {
    engine: Engine::Plain,
    recurrent: false,
    output_fires: true,
    second_receptor: false,
    rich: false,
    spikes: 20,
};

#[test]
fn training_allocates_nothing_per_sample() {
    let plain = PLAIN;
    check(plain, FirstSpikeTime);
    check(Case { recurrent: true, rich: true, ..plain }, FirstSpikeTime);
    check(Case { output_fires: false, rich: true, ..plain }, MeanVoltage);
    check(Case { recurrent: true, ..plain }, FirstSpikeTime);
    check(Case { recurrent: true, second_receptor: true, ..plain }, FirstSpikeTime);
    check(Case { recurrent: true, output_fires: false, ..plain }, MeanVoltage);
    check(Case { recurrent: true, output_fires: false, ..plain }, MaxVoltage);
}

#[test]
fn training_on_the_fast_engine_allocates_nothing_per_sample() {
    let fast = Case { engine: Engine::Fast, spikes: 400, ..PLAIN };
    check(fast, FirstSpikeTime);
    check(Case { recurrent: true, ..fast }, FirstSpikeTime);
    check(Case { recurrent: true, second_receptor: true, ..fast }, FirstSpikeTime);
    check(Case { recurrent: true, output_fires: false, ..fast }, MeanVoltage);
    check(Case { recurrent: true, output_fires: false, ..fast }, MaxVoltage);
}

#[test]
fn a_warm_simulator_does_not_allocate() {
    let mut net = NetworkBuilder::<f64>::new();
    let input = net.input("input", 10);
    let hidden = net.layer("hidden", Lif::new(30).tau_mem(10.0).tau_syn(5.0));
    let output = net.layer("output", LeakyIntegrator::new(3));
    let weights = || Normal::new(0.4, 0.3).unwrap();
    let delays = || Uniform::new(0.0, 20.0).unwrap();
    net.connect(input, hidden, Dense::weights(weights()).delays(delays()));
    net.connect(hidden, hidden, Dense::weights(Normal::new(-0.1, 0.2).unwrap()).delays(delays()));
    net.connect(hidden, output, Dense::weights(weights()));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(2)).unwrap();
    let mut simulator = Simulator::new(&net).unwrap();
    // The same stream twice, the second time after a reset.
    let mut run = || {
        let mut spikes = 0;
        for k in 0..20_000u32 {
            let time = 0.5 * f64::from(k);
            while simulator.next_spike(time).unwrap().is_some() {
                spikes += 1;
            }
            simulator.receive(time, k as usize * 7 % 10).unwrap();
            assert!(simulator.potential(1, 0).is_finite());
        }
        simulator.reset();
        spikes
    };
    let mut spikes = 0;
    assert!(measure(|| spikes = run()).count_total > 0);
    let mut again = 0;
    assert_eq!(measure(|| again = run()).count_total, 0);
    assert!(spikes > 10_000 && again == spikes, "{spikes} spikes");
}

#[test]
fn synapses_are_sorted_again_in_the_memory_of_those_before() {
    const NEURONS: usize = 256;
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut net = NetworkBuilder::new();
    let input = net.input("input", NEURONS);
    let hidden = net.layer("hidden", Lif::new(NEURONS));
    let dense = || Dense::weights(0.05).delays(Uniform::new(0.0, 20.0).unwrap());
    net.connect(input, hidden, dense());
    net.connect(hidden, hidden, dense());
    let mut net: SpikingNetwork = net.build(&mut rng).unwrap().with_engine(Engine::Fast);
    let events = (0..400).map(|_| (rng.random::<f64>() * DURATION, rng.random_range(0..NEURONS)));
    let sample = SpikeTrains::from_events(NEURONS, events.collect::<Vec<_>>()).unwrap();
    let mut trace = Trace::new();
    net.forward_into(&sample, DURATION, &mut trace).unwrap();
    net.update();
    let counted = measure(|| net.forward_into(&sample, DURATION, &mut trace).unwrap());
    // Sorted, a synapse is 48 bytes. They are made anew, and what they need was free before.
    let sorted = 48 * 2 * NEURONS * NEURONS;
    assert!(counted.bytes_total >= sorted as u64, "{counted:?}");
    assert!(counted.bytes_max < sorted as u64 / 10, "{counted:?}");
}
