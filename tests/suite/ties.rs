//! The conventions for events at one time, as `docs/design.md` states them.

use approx::assert_relative_eq;
use eventprop::check::GradientCheck;
use eventprop::{
    AdjointError, Constant, Dense, Engine, Error, FirstSpikeTime, Gradients, LeakyIntegrator, Lif,
    MeanSquaredError, MeanVoltage, Network, NetworkBuilder, Objective, ParameterKind, Sensitivity,
    SpikeTimeSquares, SpikeTimes, SpikeTrains, SpikingNetwork, Trace,
};
use ndarray::{Array2, array};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Uniform;

const T: f64 = 60.0;

fn build(net: NetworkBuilder) -> SpikingNetwork {
    net.build(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
}

fn trains<const N: usize>(channels: [&[f64]; N]) -> SpikeTrains {
    SpikeTrains::from_channels(channels.map(<[f64]>::to_vec)).unwrap()
}

/// One neuron, driven by one channel per weight without delay.
fn single(neuron: Lif, weights: &[f64]) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", weights.len());
    let output = net.layer("output", neuron);
    let weights = Array2::from_shape_vec((1, weights.len()), weights.to_vec()).unwrap();
    net.connect(input, output, Dense::weights(weights).delays(0.0));
    build(net)
}

/// L = (first spike time of neuron 0)^2 and more, by [`MeanSquaredError`].
fn differentiate(net: &SpikingNetwork, trace: &Trace) -> Result<(f64, Gradients), Error> {
    let target = vec![0.0; net.layer_info(net.layers() - 1).1];
    let objective = Objective::new(FirstSpikeTime, MeanSquaredError);
    let (evaluation, gradients) = net.backward(trace, &objective, &target)?;
    Ok((evaluation.loss, gradients))
}

#[test]
fn a_crossing_at_the_time_of_an_arrival_comes_first() {
    let mut tied = 0;
    for k in 0..200 {
        let weight = 8.0 + 0.01 * f64::from(k);
        let alone = single(Lif::new(1), &[weight, 0.0]);
        let spike = alone.forward(&trains([&[0.0], &[]]), T).unwrap().spikes(0).times()[0];
        // Inhibition at the very time. A spike is known to rounding only: it may come out earlier or
        // not at all. Else it is the same spike, before the arrival.
        let net = single(Lif::new(1), &[weight, -1000.0]);
        let trace = net.forward(&trains([&[0.0], &[spike]]), T).unwrap();
        assert!(trace.spikes(0).times().iter().all(|t| (spike - t).abs() < 1e-14));
        let exact = trace.spikes(0).times() == [spike];
        assert_eq!(trace.ties(), usize::from(exact));
        if !exact {
            continue;
        }
        tied += 1;
        // So it does not depend on the arrival: neither its time nor its weight.
        let (_, gradients) = differentiate(&net, &trace).unwrap();
        assert_eq!((gradients.values()[1], gradients.input_times[1]), (0.0, 0.0));
        assert!(gradients.values()[0] < 0.0 && gradients.input_times[0] > 0.0);
        // Excitation at that time cannot prevent the spike, nor hasten it.
        let net = single(Lif::new(1), &[weight, 5.0]);
        let trace = net.forward(&trains([&[0.0], &[spike]]), T).unwrap();
        assert_relative_eq!(trace.spikes(0).times()[0], spike, max_relative = 1e-14);
        assert_eq!(trace.ties(), usize::from(trace.spikes(0).times()[0] == spike));
    }
    assert!(tied > 20, "{tied} ties in 200 attempts");
}

#[test]
fn an_arrival_on_a_spike_acts_on_the_next_one() {
    let neuron = || Lif::new(1).reset(0.2);
    let alone = single(neuron(), &[9.0, 0.0]);
    let spike = alone.forward(&trains([&[0.0], &[]]), T).unwrap().spikes(0).times()[0];
    let net = single(neuron(), &[9.0, 3.0]);
    let mean = Objective::new(MeanVoltage, MeanSquaredError);
    let at = |time: f64| {
        let trace = net.forward(&trains([&[0.0], &[time]]), T).unwrap();
        let (evaluation, gradients) = net.backward(&trace, &mean, &[0.0]).unwrap();
        (evaluation.loss, gradients.input_times[1], trace)
    };
    let (loss, gradient, trace) = at(spike);
    assert!(trace.spikes(0).len() > 1);
    // The derivative is the one towards later times, in which the order stays as it is.
    let h = 1e-5;
    let forward = (-3.0 * loss + 4.0 * at(spike + h).0 - at(spike + 2.0 * h).0) / (2.0 * h);
    assert_relative_eq!(gradient, forward, max_relative = 1e-6);
}

/// A chain of `n` neurons without delays, closed to a ring by a synapse of this weight, if any.
fn chain(n: usize, closed: Option<f64>) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let mut before = input;
    let mut first = None;
    for k in 0..n {
        let next = net.layer(format!("{k}"), Lif::new(1).tau_mem(8.0).tau_syn(5.0));
        net.connect(before, next, Dense::weights(4.0).delays(0.0));
        first.get_or_insert(next);
        before = next.into();
    }
    if let Some(weight) = closed {
        net.connect(before, first.unwrap(), Dense::weights(weight).delays(0.0));
    }
    build(net)
}

#[test]
fn zero_delay_chains_do_not_depend_on_how_they_are_grouped() {
    let input = trains([&[0.0, 1.0, 9.0]]);
    let (open, ring) = (chain(3, None), chain(3, Some(0.0)));
    let traces = [&open, &ring].map(|net| net.forward(&input, T).unwrap());
    for layer in 0..3 {
        let [a, b] = [0, 1].map(|k| traces[k].spikes(layer));
        assert!(a.len() > 1 && a.offsets() == b.offsets());
        for (a, b) in a.times().iter().zip(b.times()) {
            assert_relative_eq!(a, b, max_relative = 1e-14);
        }
    }
    assert_eq!(traces.each_ref().map(Trace::ties), [0, 0]);
    let (_, a) = differentiate(&open, &traces[0]).unwrap();
    let (_, b) = differentiate(&ring, &traces[1]).unwrap();
    assert!(a.values().iter().all(|g| *g != 0.0));
    for (a, b) in a.values().iter().zip(b.values()) {
        assert_relative_eq!(a, b, max_relative = 1e-12);
    }
}

#[test]
fn zero_delays_are_the_limit_of_short_ones() {
    let input = trains([&[0.0, 1.0, 9.0]]);
    let run = |delay: f64| {
        let mut net = chain(2, Some(-1.5));
        for (_, parameter) in net.parameters_mut() {
            if parameter.kind == ParameterKind::Delay {
                parameter.values.fill(delay);
            }
        }
        net.update();
        let trace = net.forward(&input, T).unwrap();
        let (loss, gradients) = differentiate(&net, &trace).unwrap();
        let times: Vec<f64> = (0..2).flat_map(|l| trace.spikes(l).times().to_vec()).collect();
        (loss, times, gradients)
    };
    let (at_zero, near) = (run(0.0), run(1e-8));
    assert_eq!(at_zero.1.len(), near.1.len());
    assert_relative_eq!(at_zero.0, near.0, max_relative = 1e-6);
    for (a, b) in at_zero.2.values().iter().zip(near.2.values()) {
        assert_relative_eq!(a, b, max_relative = 1e-5, epsilon = 1e-7);
    }
}

#[test]
fn a_spike_reaches_its_own_neuron_after_the_reset() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let output = net.layer("output", Lif::new(1).reset(-0.3));
    net.connect(input, output, Dense::weights(8.0).delays(0.0));
    net.connect(output, output, Dense::weights(array![[-2.0]]).delays(0.0));
    let net = build(net);
    let input = trains([&[0.0, 2.0, 5.0, 9.0]]);
    let trace = net.forward(&input, T).unwrap();
    let spikes = trace.spikes(0).len();
    assert!(spikes > 2);
    // Its own effect is no tie.
    assert_eq!(trace.ties(), 0);
    // A jump of the current does not move the spike that causes it: the first is as without it.
    // Bits are compared, so both are on the engine that takes small loops.
    let alone = single(Lif::new(1).reset(-0.3), &[8.0]).with_engine(Engine::Plain);
    let alone = alone.forward(&input, T).unwrap();
    assert_eq!(trace.spikes(0).times()[0], alone.spikes(0).times()[0]);
    assert!(alone.spikes(0).len() > spikes);
    let mean = Objective::new(MeanVoltage, MeanSquaredError);
    let report = GradientCheck::new().run(&net, &input, T, &mean, &[0.5]).unwrap();
    assert!(report.passed() && report.checked() == 8, "{report}");
}

/// A spike's own arrival comes when V is released: delay and refractory period are alike. There the gradient is that of
/// an arrival which comes later, and it is no tie.
#[test]
fn an_arrival_at_the_release_of_the_potential_counts_as_later() {
    for engine in [Engine::Fast, Engine::Plain] {
        let at = |delay: f64| {
            let mut net = NetworkBuilder::new();
            let input = net.input("input", 1);
            let output = net.layer("output", Lif::new(1).refractory(2.0));
            net.connect(input, output, Dense::weights(9.0).delays(2.0));
            net.connect(output, output, Dense::weights(7.0).delays(delay).max_delay(50.0));
            let net = build(net).with_engine(engine);
            let trace = net.forward(&trains([&[0.0]]), T).unwrap();
            let times = trace.spikes(0).times().to_vec();
            let objective = Objective::new(SpikeTimes, SpikeTimeSquares);
            let target = SpikeTrains::from_channels([vec![times[0], 50.0]]).unwrap();
            let (evaluation, gradients) = net.backward(&trace, &objective, &target).unwrap();
            let by_delay = gradients.get("output->output", ParameterKind::Delay).unwrap()[0];
            (evaluation.loss, by_delay, times, trace.ties())
        };
        let (loss, by_delay, times, ties) = at(2.0);
        // So the arrival is exactly at the end of the hold.
        assert!(times.len() > 1 && times[0] >= 4.0 && times[0] < 6.0, "{times:?}");
        assert_eq!((times[0] + 2.0) - times[0], 2.0);
        assert_eq!(ties, 0);
        let one_sided = |h: f64| {
            let loss_at = |k: f64| at(2.0 + k * h).0;
            (-3.0 * loss + 4.0 * loss_at(1.0) - loss_at(2.0)) / (2.0 * h)
        };
        assert_relative_eq!(by_delay, one_sided(1e-5), max_relative = 1e-6);
        // On the other side it is another one.
        assert!((by_delay - one_sided(-1e-5)).abs() > 0.1 * by_delay.abs());
    }
}

/// Where delay and refractory period are alike, arrivals and releases move together. So the gradients by weights are those of
/// a delay that is a trifle longer.
#[test]
fn weights_do_not_notice_that_arrivals_come_at_the_release() {
    let mut compared = 0;
    for (seed, engine) in (0..120).flat_map(|seed| [(seed, Engine::Plain), (seed, Engine::Fast)]) {
        let spikes = [60, 400, 1500][seed as usize % 3];
        let refractory = [2.0, 1.0, 0.7, 3.3][seed as usize / 3 % 4];
        let neurons = || Lif::new(3).refractory(refractory);
        let neurons = || match seed / 12 % 3 {
            0 => neurons(),
            1 => neurons().tau_mem(vec![20.0, 17.0, 25.0]),
            _ => neurons().tau_mem(Constant::trainable(20.0)),
        };
        let run = |delay: f64| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut net = NetworkBuilder::new();
            let input = net.input("input", 3);
            let output = net.layer("output", neurons());
            let weight = 420.0 / f64::from(spikes);
            let weights = Uniform::new(0.3 * weight, 1.7 * weight).unwrap();
            net.connect(input, output, Dense::weights(weights).delays(1.0));
            let weights = Uniform::new(-0.5, 0.7).unwrap();
            net.connect(output, output, Dense::weights(weights).fixed_delays(delay));
            let net = net.build(&mut rng).unwrap().with_engine(engine);
            let events = (0..spikes).map(|k| (100.0 * rng.random::<f64>(), k as usize % 3));
            let input = SpikeTrains::from_events(3, events).unwrap();
            let trace = net.forward(&input, 100.0).unwrap();
            let mut sensitivity = Sensitivity::none(&trace);
            sensitivity.layers[0].spike_times.fill(1.0);
            let gradients = net.adjoint(&trace, sensitivity).unwrap();
            let of = |name| gradients.get(name, ParameterKind::Weight).unwrap().to_vec();
            let weights = [of("input->output"), of("output->output")].concat();
            (trace.spikes(0).offsets().to_vec(), weights)
        };
        let ((spikes, found), (others, known)) = (run(refractory), run(refractory + 1e-9));
        if spikes != others {
            continue;
        }
        compared += 1;
        let largest = known.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
        for (found, known) in found.iter().zip(&known) {
            let error = (found - known).abs() / largest;
            assert!(error < 1e-5, "{engine:?}, seed {seed}: {found}, not {known}");
        }
    }
    assert!(compared > 230, "{compared} of 240");
}

#[test]
fn neurons_that_fire_at_one_time_do_not_disturb_each_other() {
    // Twins that inhibit each other at once: both fire first, then both are inhibited.
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let twins = net.layer("twins", Lif::new(2));
    net.connect(input, twins, Dense::weights(9.0).delays(0.0));
    net.connect(twins, twins, Dense::weights(array![[0.0, -4.0], [-4.0, 0.0]]).delays(0.0));
    let net = build(net);
    let trace = net.forward(&trains([&[0.0, 20.0]]), T).unwrap();
    let times = trace.spikes(0).channel(0);
    assert!(times.len() > 1);
    assert_eq!(times, trace.spikes(0).channel(1));
    // At every spike of either, the inhibition by the other arrives, which is no effect of it.
    assert_eq!(trace.ties(), 2 * times.len());
    let (_, gradients) = differentiate(&net, &trace).unwrap();
    let weights = gradients.get("input->twins", ParameterKind::Weight).unwrap();
    assert_relative_eq!(weights[0], weights[1], max_relative = 1e-13);
}

#[test]
fn what_happens_at_the_end_does_not_happen() {
    let net = single(Lif::new(1), &[9.0]);
    let input = trains([&[0.0]]);
    let spike = net.forward(&input, T).unwrap().spikes(0).times()[0];
    let until = |duration: f64| net.forward(&input, duration).unwrap().spikes(0).times().to_vec();
    assert!(until(spike - 1e-12).is_empty());
    assert!(until(spike).iter().all(|t| *t < spike));
    assert_eq!(until(spike + 1e-12).len(), 1);
    // An arrival at T changes nothing.
    let mut builder = NetworkBuilder::new();
    let source = builder.input("input", 2);
    let output = builder.layer("output", LeakyIntegrator::new(1));
    builder.connect(source, output, Dense::weights(1.0).delays(array![[5.0, 0.0]]));
    let net = build(builder);
    let value = |channels: [&[f64]; 2]| {
        let trace = net.forward(&trains(channels), T).unwrap();
        let mean = Objective::new(MeanVoltage, MeanSquaredError);
        let (evaluation, gradients) = net.backward(&trace, &mean, &[1.0]).unwrap();
        (evaluation.readout[0], gradients.input_times)
    };
    let (alone, _) = value([&[10.0], &[]]);
    let (more, gradients) = value([&[10.0, T - 5.0, T + 9.0], &[T]]);
    assert_eq!(alone, more);
    assert!(gradients[0] != 0.0 && gradients[1..].iter().all(|g| *g == 0.0));
}

#[test]
fn a_touch_is_no_spike() {
    // With tau_mem = 2 tau_syn and x = exp(-t / tau_mem), V = w (x - x^2): at most w / 4.
    let net = |tau: f64, weight| single(Lif::new(1).tau_mem(tau).tau_syn(tau / 2.0), &[weight]);
    let input = trains([&[0.0]]);
    for tau in [1.0, 2.0, 8.0, 10.0, 20.0, 64.0] {
        let run = |weight| net(tau, weight).forward(&input, T).unwrap();
        assert!(run(4.0).spikes(0).is_empty(), "tau_mem {tau}");
        assert!(run(4.0 * (1.0 - 1e-14)).spikes(0).is_empty());
        let spike = run(4.0 * (1.0 + 1e-10)).spikes(0).times()[0];
        assert_relative_eq!(spike, tau * 2f64.ln(), max_relative = 1e-4);
    }
    // Where rounding makes a spike of it nonetheless, its gradient is finite or refused.
    let mut refused = 0;
    for k in 0..2000 {
        let (tau, weight) = (1.0 + 0.01 * f64::from(k), 4.0 + 1e-15 * f64::from(k % 5));
        let net = net(tau, weight);
        match differentiate(&net, &net.forward(&input, T).unwrap()) {
            Ok((_, gradients)) => assert!(gradients.values().iter().all(|g| g.is_finite())),
            Err(Error::Adjoint(AdjointError::ZeroSlope { neuron: 0, .. })) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    println!("{refused} touches refused");
}

#[test]
fn currents_that_start_at_the_threshold_together() {
    // Fast inhibition and slow excitation arrive at once and add up to the threshold exactly: from
    // there the drive rises, and the neuron fires as with a little more of it.
    let run = |excitation: f64, inhibition: f64| {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 1);
        let output = net.layer("output", Lif::new(1).tau_mem(10.0).tau_syn(30.0));
        net.connect(input, output, Dense::weights(excitation));
        net.connect(input, output, Dense::weights(inhibition).tau_syn(2.0));
        build(net).forward(&trains([&[1.0]]), T).unwrap().spikes(0).times().to_vec()
    };
    for (excitation, inhibition) in [(3.0, -2.0), (1.75, -0.75), (4.0, -3.0), (5.5, -4.5)] {
        let (exact, above) = (run(excitation, inhibition), run(excitation + 1e-9, inhibition));
        assert_eq!(exact.len(), above.len());
        for (a, b) in exact.iter().zip(above) {
            assert_relative_eq!(*a, b, epsilon = 1e-6);
        }
    }
}
