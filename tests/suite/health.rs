//! Gradient health: counts against closed forms and brute force, and the same on every engine and thread.

use approx::assert_relative_eq;
use eventprop::remedy::{SlopeLimiter, SpikeCountRegularizer};
use eventprop::{
    BackwardOptions, CrossEntropy, Dense, Engine, FirstSpikeTime, Health, LeakyIntegrator, Lif,
    MeanSquaredError, Network, NetworkBuilder, Objective, Sample, SpikeTrains, SpikingNetwork,
    Trace, backward_batch, backward_batch_with,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Normal, Uniform};

const ENGINES: [Engine; 2] = [Engine::Fast, Engine::Plain];

fn first_to_fire() -> Objective<FirstSpikeTime, CrossEntropy> {
    Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0))
}

/// The health of one trial.
fn health(net: &SpikingNetwork, trace: &Trace, near: f64) -> Health {
    let options = BackwardOptions::new().near_ties(near);
    net.backward_with(trace, &first_to_fire(), &0, &options).unwrap().2
}

#[test]
fn arrivals_at_the_end_of_the_trial_are_lost() {
    for engine in ENGINES {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 2);
        let layer = net.layer("layer", Lif::new(2));
        let delays = ndarray::array![[0.0, 5.0], [2.5, 20.0]];
        net.connect(input, layer, Dense::weights(8.0).delays(delays).max_delay(20.0));
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap().with_engine(engine);
        let trains = SpikeTrains::from_channels([vec![1.0, 7.5, 11.0], vec![0.5, 5.0]]).unwrap();
        let trace = net.forward(&trains, 10.0).unwrap();
        let health = health(&net, &trace, 0.0);
        // Delay 0: 11; 5: 5 + 5 = 10, which is too late; 2.5: 7.5 + 2.5 and 11; 20: both.
        assert_eq!(health.lost_arrivals, 1 + 1 + 2 + 2);
        assert_eq!((health.delays_at_lower, health.delays_at_upper), (1, 1));
    }
}

#[test]
fn extremes_are_named() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let layer = net.layer("layer", Lif::new(3).tau_mem(20.0).tau_syn(5.0));
    let weights = ndarray::array![[20.0], [7.0], [1.0]];
    net.connect(input, layer, Dense::weights(weights));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let inputs =
        [vec![], vec![1.0], vec![1.0, 20.0]].map(|t| SpikeTrains::from_channels([t]).unwrap());
    let target = [5.0, 100.0, 100.0];
    let samples: Vec<Sample<'_, [f64]>> =
        inputs.iter().map(|input| Sample { input, target: &target[..] }).collect();
    let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
    let (summary, gradients) = backward_batch(&net, &samples, 60.0, &objective).unwrap();
    let health = summary.health;
    assert_eq!(health.trials, 3);
    let traces = inputs.each_ref().map(|input| net.forward(input, 60.0).unwrap());
    let spikes = |k: usize| traces[k].spikes(0).len();
    assert_eq!(health.layers[0].spikes, spikes(1) + spikes(2));
    let silent = traces.iter().flat_map(|t| t.spikes(0).iter()).filter(|t| t.is_empty()).count();
    assert_eq!(
        (health.layers[0].silent, summary.silent.concat().iter().sum::<u64>()),
        (silent, silent as u64)
    );
    // The flattest crossing is that of the weaker neuron; the first sample that has it is named.
    let flattest = traces.iter().flat_map(|t| t.slopes(0)).copied().fold(f64::INFINITY, f64::min);
    let found = health.smallest_slope.unwrap();
    assert_eq!(found.value, flattest);
    let trace = &traces[found.sample];
    let at = trace.spikes(0).channel(found.neuron).iter().position(|t| *t == found.time).unwrap();
    assert_eq!(trace.slopes(0)[trace.spikes(0).offsets()[found.neuron] + at], flattest);
    // dL/dt = 2/3 (t - target), largest for the first spike of neuron 1, in the first sample with one.
    let t1 = traces[1].spikes(0).channel(1)[0];
    let found = health.largest_adjoint.unwrap();
    assert_relative_eq!(found.value, 2.0 / 3.0 * (100.0 - t1), max_relative = 1e-14);
    assert_eq!((found.sample, found.layer, found.neuron, found.time), (1, 0, 1, t1));
    let largest = gradients.values().iter().fold(0.0, |m: f64, g| m.max(g.abs()));
    assert_eq!(health.largest_gradients, [largest]);
}

#[test]
fn a_report_names_what_it_tells_of() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let hidden = net.layer("hidden", Lif::new(2));
    let output = net.layer("output", LeakyIntegrator::new(2));
    let weights = ndarray::array![[9.0], [1.0]];
    net.connect(input, hidden, Dense::weights(weights).delays(1.0).max_delay(1.0));
    net.connect(hidden, output, Dense::weights(1.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let input = SpikeTrains::from_channels([[1.0, 49.5]]).unwrap();
    let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0)).on_layer(0);
    let limited = BackwardOptions::new().limit_slopes(SlopeLimiter::Absolute(1.0));
    let batch = [Sample { input: &input, target: &0 }];
    let (summary, _) = backward_batch_with(&net, &batch, 50.0, &objective, &limited).unwrap();
    let report = summary.health.report(&net);
    let lines: Vec<&str> = report.lines().collect();
    println!("{report}");
    assert_eq!(lines[0], "1 backward pass");
    assert_eq!(
        lines[1],
        "hidden: 0.50 spikes per neuron and trial, silent in 50.0 % of trials, slopes limited: 1"
    );
    assert_eq!(lines[2], "output: no spikes");
    assert!(lines[3].starts_with("smallest slope ") && lines[3].contains("neuron 0 of hidden at "));
    assert!(lines[4].starts_with("largest dL/dt ") && lines[4].ends_with("sample 0"));
    assert!(lines[5].starts_with("largest gradient of input->hidden weight: "));
    assert_eq!(
        *lines.last().unwrap(),
        "ties: 0, arrivals too late: 2, delays on their upper bound: 2"
    );
}

#[test]
fn near_ties_are_those_within_the_tolerance() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 2);
    let layer = net.layer("layer", Lif::new(1).tau_mem(20.0).tau_syn(5.0));
    net.connect(input, layer, Dense::weights(ndarray::array![[9.0, 0.0]]));
    // What a spike sends to its own neuron is no tie with itself.
    net.connect(layer, layer, Dense::weights(-0.1).delays(0.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let trains = |second: Vec<f64>| SpikeTrains::from_channels([vec![1.0], second]).unwrap();
    let fire = |times: Vec<f64>| net.forward(&trains(times), 60.0).unwrap();
    let about = fire(vec![]).spikes(0).times()[0];
    // An arrival of no weight before the spike may change its last bit, but not one after it.
    let before = [about - 0.5, about - 0.1];
    let spike = fire(before.to_vec()).spikes(0).times()[0];
    let trace = fire([&before[..], &[spike, spike + 0.2]].concat());
    assert_eq!(trace.spikes(0).times(), [spike]);
    let near = |tolerance| health(&net, &trace, tolerance).near_ties;
    assert_eq!([0.0, 0.15, 0.25, 0.6].map(near), [1, 2, 3, 4]);
    assert_eq!(trace.ties(), 1);
    assert_eq!(health(&net, &trace, 0.0).ties, 1);
    let (_, _, off) =
        net.backward_with(&trace, &first_to_fire(), &0, &BackwardOptions::new()).unwrap();
    assert_eq!(off.near_ties, 0, "nobody asked");
}

#[test]
fn an_arrival_at_the_end_of_a_refractory_period_is_a_near_tie() {
    let build = |delay| {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 1);
        let layer = net.layer("layer", Lif::new(1).refractory(2.0));
        net.connect(input, layer, Dense::weights(20.0).delays(1.0));
        net.connect(layer, layer, Dense::weights(-1.5).delays(delay));
        net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    };
    let input = SpikeTrains::from_channels([[1.0]]).unwrap();
    let near = |delay, tolerance| {
        let net: SpikingNetwork = build(delay);
        let trace = net.forward(&input, 30.0).unwrap();
        assert!(!trace.spikes(0).is_empty());
        let count = health(&net, &trace, tolerance).near_ties;
        (count, trace.ties(), trace.spikes(0).len())
    };
    let (count, ties, spikes) = near(2.0, 1e-9);
    assert_eq!((count, ties), (spikes, 0), "each returns when its neuron is released");
    assert_eq!((near(1.5, 0.4).0, near(1.5, 0.6).0, near(2.5, 0.4).0), (0, near(1.5, 0.6).2, 0));
}

/// Loads for the light, the fast and the plain engine, in trials that end while spikes are in flight.
fn loads() -> Vec<(SpikingNetwork, Vec<SpikeTrains>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut all = Vec::new();
    for (recurrent, spikes) in [(false, 15), (false, 500), (true, 15), (true, 500)] {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 6);
        let hidden = net.layer("hidden", Lif::new(9).tau_mem(20.0).tau_syn(5.0));
        let output = net.layer("output", Lif::new(3).tau_mem(15.0).tau_syn(5.0));
        let integrator = net.layer("integrator", LeakyIntegrator::new(2));
        let weight = 60.0 / f64::from(spikes);
        let weights = Normal::new(weight, weight / 2.0).unwrap();
        let delays = || Uniform::new(0.0, 15.0).unwrap();
        net.connect(input, hidden, Dense::weights(weights).delays(delays()));
        if recurrent {
            net.connect(
                hidden,
                hidden,
                Dense::weights(Normal::new(0.0, 0.3).unwrap()).delays(delays()),
            );
        }
        net.connect(
            hidden,
            output,
            Dense::weights(Normal::new(0.3, 0.5).unwrap()).delays(delays()),
        );
        net.connect(hidden, integrator, Dense::weights(1.0).delays(0.0));
        let net = net.build(&mut rng).unwrap();
        let mut input = || {
            let event = |_| (rng.random::<f64>() * 65.0, rng.random_range(0..6));
            SpikeTrains::from_events(6, (0..spikes).map(event).collect::<Vec<_>>()).unwrap()
        };
        all.push((net, (0..20).map(|_| input()).collect()));
    }
    all
}

const DURATION: f64 = 60.0;

/// (lost, near ties) by looking at every spike and synapse.
fn brute_force(net: &SpikingNetwork, trace: &Trace, near: f64) -> (usize, usize) {
    let (mut lost, mut ties) = (0, 0);
    for name in net.projections() {
        let (from, to) = name.split_once("->").unwrap();
        let target = net.layer(to).unwrap();
        let source = net.layer(from);
        let spikes = source.map_or(trace.input(), |layer| trace.spikes(layer));
        let synapses = net.synapses(name).unwrap();
        for (post, own) in trace.spikes(target).iter().enumerate() {
            for synapse in synapses.row(post).iter() {
                for (k, time) in spikes.channel(synapse.pre).iter().enumerate() {
                    let time = time + synapse.delay;
                    lost += usize::from(time >= DURATION);
                    let cause = |s: usize| source == Some(target) && synapse.pre == post && s == k;
                    let close = |&s: &usize| (own[s] - time).abs() <= near && !cause(s);
                    ties += usize::from(time < DURATION && (0..own.len()).any(|s| close(&s)));
                }
            }
        }
    }
    (lost, ties)
}

#[test]
fn counts_are_those_of_brute_force_on_every_engine() {
    let near = 0.05;
    let (mut lost, mut near_ties) = (0, 0);
    for (net, inputs) in loads() {
        for input in &inputs[..5] {
            let objective = first_to_fire().on_layer(1);
            let options = BackwardOptions::new().near_ties(near);
            let [fast, plain] = ENGINES.map(|engine| {
                let net = net.clone().with_engine(engine);
                let trace = net.forward(input, DURATION).unwrap();
                let health = net.backward_with(&trace, &objective, &0, &options).unwrap().2;
                let expected = brute_force(&net, &trace, near);
                assert_eq!((health.lost_arrivals, health.near_ties), expected);
                health
            });
            lost += fast.lost_arrivals;
            near_ties += fast.near_ties;
            assert_eq!(fast.layers, plain.layers);
            assert_eq!((fast.ties, fast.near_ties), (plain.ties, plain.near_ties));
            let extremes = |h: &Health| [h.smallest_slope, h.largest_adjoint].map(|e| e.unwrap());
            for (a, b) in extremes(&fast).iter().zip(extremes(&plain)) {
                assert_eq!((a.layer, a.neuron), (b.layer, b.neuron));
                assert_relative_eq!(a.time, b.time, max_relative = 1e-11);
                assert_relative_eq!(a.value, b.value, max_relative = 1e-8);
            }
            for (a, b) in fast.largest_gradients.iter().zip(&plain.largest_gradients) {
                assert_relative_eq!(a, b, max_relative = 1e-8, epsilon = 1e-12);
            }
        }
    }
    assert!(lost > 1000 && near_ties > 100, "{lost} lost, {near_ties} near ties");
}

#[test]
fn batches_add_up_and_threads_change_nothing() {
    for (net, inputs) in loads() {
        let objective = first_to_fire().on_layer(1);
        let samples: Vec<Sample<'_, usize>> =
            inputs.iter().map(|input| Sample { input, target: &1 }).collect();
        let options = BackwardOptions::new()
            .near_ties(0.05)
            .limit_slopes(SlopeLimiter::Relative(2.0))
            .regularize(SpikeCountRegularizer::new(0).upper(3.0, 1e-3));
        let run = |threads, samples: &[Sample<'_, usize>]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let run = || backward_batch_with(&net, samples, DURATION, &objective, &options);
            pool.install(run).unwrap()
        };
        let (summary, gradients) = run(1, &samples);
        for threads in [2, 3, 64] {
            let (other, same) = run(threads, &samples);
            assert_eq!(other, summary);
            let bits = |g: &eventprop::Gradients| -> Vec<u64> {
                g.values().iter().map(|g| g.to_bits()).collect()
            };
            assert_eq!(bits(&same), bits(&gradients));
        }
        // Sample by sample. The regulariser is left out, which goes by the mean.
        let options =
            BackwardOptions::new().near_ties(0.05).limit_slopes(SlopeLimiter::Relative(2.0));
        let batch = backward_batch_with(&net, &samples, DURATION, &objective, &options).unwrap().0;
        let mut merged = Health::default();
        for (k, input) in inputs.iter().enumerate() {
            let trace = net.forward(input, DURATION).unwrap();
            let mut one = net.backward_with(&trace, &objective, &1, &options).unwrap().2;
            for at in [&mut one.smallest_slope, &mut one.largest_adjoint].into_iter().flatten() {
                at.sample = k;
            }
            merged.merge(&one);
        }
        assert!(merged.layers[0].limited > 0);
        let largest = merged.largest_gradients.iter().zip(&batch.health.largest_gradients);
        largest.for_each(|(of_trial, of_mean)| assert!(of_trial >= of_mean));
        merged.largest_gradients.clone_from(&batch.health.largest_gradients);
        assert_eq!(merged, batch.health);
    }
}

#[cfg(feature = "serde")]
#[test]
fn reports_can_be_stored() {
    let (net, inputs) = loads().swap_remove(0);
    let trace = net.forward(&inputs[0], DURATION).unwrap();
    let options = BackwardOptions::new()
        .limit_slopes(SlopeLimiter::Relative(2.0))
        .regularize(SpikeCountRegularizer::new(0).upper(3.0, 1e-3));
    let objective = first_to_fire().on_layer(1);
    let (_, _, health) = net.backward_with(&trace, &objective, &0, &options).unwrap();
    let json = serde_json::to_string(&(&health, &options)).unwrap();
    let back: (Health, BackwardOptions) = serde_json::from_str(&json).unwrap();
    assert_eq!(back, (health, options));
}

#[test]
fn a_trace_of_other_parameters_is_refused() {
    let (mut net, inputs) = loads().swap_remove(0);
    let trace = net.forward(&inputs[0], DURATION).unwrap();
    assert!(net.count_arrivals(&trace, None).is_ok());
    net.update();
    assert!(net.count_arrivals(&trace, None).is_err());
}

/// Times in s where ms are meant: nothing fires, all comes too late. A network that cannot fire says nothing by it.
#[test]
fn the_report_asks_for_units_where_nothing_fired() {
    fn report(layer: impl eventprop::Layer<f64> + 'static, inputs: [f64; 2]) -> String {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 1);
        let layer = net.layer("layer", layer);
        net.connect(input, layer, Dense::weights(9.0).delays(1.0));
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let trace = net.forward(&SpikeTrains::from_channels([inputs]).unwrap(), 30.0).unwrap();
        let mean = Objective::new(eventprop::MeanVoltage, MeanSquaredError);
        let health = net.backward_with(&trace, &mean, &[0.0], &BackwardOptions::new()).unwrap().2;
        health.report(&net)
    }
    assert!(report(Lif::new(1), [29.5, 29.7]).contains("in ms?"));
    assert!(!report(Lif::new(1), [2.0, 29.7]).contains("in ms?"));
    assert!(!report(LeakyIntegrator::new(1), [2.0, 29.7]).contains("in ms?"));
}
