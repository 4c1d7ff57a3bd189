//! Random networks of many kinds under changes whose effect is known exactly.
//!
//! The default engine is compared with the plain one on each of them. Set `EVENTPROP_SOAK=N` for N times as many
//! networks, and `PROPTEST_RNG_SEED` for others; with `--nocapture` each test says how much it compared.

#[path = "../support/mod.rs"]
#[allow(dead_code)]
mod support;

mod model;
mod seen;

use eventprop::{Engine, SimulationError};
use model::{Edge, Layer, Model, Projection, shape};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestRunner};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use seen::{LOSS, Loss, Noise, Seen, run};
use std::cell::Cell;

/// Networks of each test.
const NETWORKS: u32 = 60;

fn config(name: &str) -> ProptestConfig {
    let times = std::env::var("EVENTPROP_SOAK").map_or(1, |n| n.parse().unwrap());
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        // Each test sees networks of its own.
        config.rng_seed = RngSeed::Fixed(name.bytes().map(u64::from).sum());
    }
    let cases = NETWORKS * times;
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 2000, ..config }
}

/// Calls `test` for many models, with what they do and the noise of that. It returns the number of spikes that it
/// compared.
fn soak(name: &str, test: impl Fn(&Model, &Seen, &Noise) -> Result<usize, String>) {
    soak_with(name, |_| {}, test);
}

/// The same for models that are changed first.
fn soak_with(
    name: &str,
    prepare: impl Fn(&mut Model),
    test: impl Fn(&Model, &Seen, &Noise) -> Result<usize, String>,
) {
    let (compared, spikes) = (Cell::new(0_u64), Cell::new(0_u64));
    let (unstable, runaway) = (Cell::new(0_u64), Cell::new(0_u64));
    let add = |counter: &Cell<u64>, n: u64| counter.set(counter.get() + n);
    let case = |shape: model::Shape| {
        let mut model = shape.model();
        prepare(&mut model);
        let base = run(&model, Engine::Fast, &LOSS);
        let plain = run(&model, Engine::Plain, &LOSS);
        let (Ok(base), Ok(plain)) = (&base, &plain) else {
            prop_assert_eq!(base.is_err(), plain.is_err());
            add(&runaway, 1);
            return Ok(());
        };
        let Some(noise) = Noise::of(&model, plain, &LOSS) else {
            add(&unstable, 1);
            return Ok(());
        };
        let engines = noise.same(base, plain);
        let engines = engines.map_err(|e| TestCaseError::fail(format!("engines: {e}")))?;
        let other = test(&model, base, &noise).map_err(TestCaseError::fail)?;
        add(&compared, 1);
        add(&spikes, (engines + other) as u64);
        Ok(())
    };
    if let Err(error) = TestRunner::new(config(name)).run(&shape(), case) {
        panic!("{name}: {error}");
    }
    let [compared, spikes, unstable, runaway] =
        [compared, spikes, unstable, runaway].map(|counter| counter.get());
    println!(
        "{name}: {compared} networks, {spikes} spikes; left out: {unstable} whose pattern depends on 1e-9, {runaway} that run away"
    );
    // What cannot be compared must stay the exception.
    assert!(5 * (unstable + runaway) <= compared && spikes > 20 * compared, "{name}");
}

fn seen(model: &Model, loss: &Loss) -> Result<Seen, String> {
    run(model, Engine::Fast, loss).map_err(|e| e.to_string())
}

#[test]
fn later_input_makes_the_same_spikes_later() {
    const SHIFT: f64 = 8.0;
    // A constant drive starts with the trial, not with the input.
    let undriven = |model: &mut Model| {
        let bias = eventprop::ParameterKind::Bias;
        model.layers.iter_mut().for_each(|layer| drop(layer.constants.remove(&bias)));
    };
    soak_with("shift in time", undriven, |model, base, noise| {
        let mut later = model.clone();
        later.duration += SHIFT;
        later.input.iter_mut().flatten().for_each(|t| *t += SHIFT);
        let mut expected = base.clone();
        expected.spikes.iter_mut().flatten().flatten().for_each(|t| *t += SHIFT);
        noise.same(&seen(&later, &LOSS)?, &expected)
    });
}

/// What is at place k goes to place `to[k]`.
fn permuted<T: Clone>(values: &[T], to: &[usize]) -> Vec<T> {
    let mut moved = values.to_vec();
    to.iter().zip(values).for_each(|(&to, value)| moved[to] = value.clone());
    moved
}

#[test]
fn neurons_and_channels_have_no_order() {
    soak("permutation", |model, base, noise| {
        let rng = &mut ChaCha8Rng::seed_from_u64(base.count() as u64);
        let mut random = |n: usize| -> Vec<usize> {
            let mut order: Vec<usize> = (0..n).collect();
            order.shuffle(rng);
            order
        };
        let channels = random(model.input.len());
        let orders: Vec<Vec<usize>> = model.layers.iter().map(|l| random(l.marks.len())).collect();
        let (mut other, mut expected) = (model.clone(), base.clone());
        other.input = permuted(&model.input, &channels);
        expected.input = permuted(&base.input, &channels);
        for (k, order) in orders.iter().enumerate() {
            let Layer { marks, constants, .. } = &mut other.layers[k];
            *marks = permuted(marks, order);
            expected.spikes[k] = permuted(&base.spikes[k], order);
            let gradients = expected.constants[k].iter_mut().map(|(_, values)| values);
            for values in constants.values_mut().chain(gradients).filter(|v| v.len() > 1) {
                *values = permuted(values, order);
            }
        }
        for (k, projection) in other.projections.iter_mut().enumerate() {
            let sources = projection.from.map_or(&channels, |layer| &orders[layer]);
            for Edge { post, pre, .. } in &mut projection.edges {
                (*post, *pre) = (orders[projection.to][*post], sources[*pre]);
            }
            let from = projection.sort();
            expected.weights[k] = from.iter().map(|&at| base.weights[k][at]).collect();
            expected.delays[k] = from.iter().map(|&at| base.delays[k][at]).collect();
        }
        noise.same(&seen(&other, &LOSS)?, &expected)
    });
}

#[test]
fn the_unit_of_potentials_does_not_matter() {
    use eventprop::ParameterKind::{AdaptationJump, Bias, Reset, Threshold, ThresholdJump};
    // Thresholds that are trained are kept as logarithms, which round.
    let fixed = |model: &mut Model| {
        model.layers.iter_mut().for_each(|layer| layer.trainable = false);
        model.potentials = false;
    };
    soak_with("unit of potentials", fixed, |model, base, _| {
        let mut spikes = 0;
        for power in [-40, -1, 3, 60] {
            // A power of two changes no digit of any product or sum: all results are the same to the bit.
            let unit = 2f64.powi(power);
            let (mut other, mut expected) = (model.clone(), base.clone());
            for layer in &mut other.layers {
                for kind in [Threshold, Reset, Bias, AdaptationJump, ThresholdJump] {
                    let values = layer.constants.get_mut(&kind).into_iter().flatten();
                    values.for_each(|value| *value *= unit);
                }
            }
            other.projections.iter_mut().flat_map(|p| &mut p.edges).for_each(|e| e.weight *= unit);
            expected.weights.iter_mut().flatten().for_each(|g| *g /= unit);
            let found = seen(&other, &LOSS)?;
            if found.spikes != expected.spikes {
                return Err(format!("spikes differ at a unit of 2^{power}"));
            }
            if found != expected {
                return Err(format!("gradients differ at a unit of 2^{power}"));
            }
            spikes += found.count();
        }
        Ok(spikes)
    });
}

/// a x + b y, of gradients.
fn combined(x: &Seen, y: &Seen, (a, b): (f64, f64)) -> Seen {
    let mut sum = x.clone();
    let add = |x: &mut f64, y: &f64| *x = a * *x + b * y;
    let both = |x: &mut Vec<Vec<f64>>, y: &[Vec<f64>]| {
        x.iter_mut().flatten().zip(y.iter().flatten()).for_each(|(x, y)| add(x, y));
    };
    both(&mut sum.weights, &y.weights);
    both(&mut sum.delays, &y.delays);
    both(&mut sum.input, &y.input);
    for ((_, x), (_, y)) in sum.constants.iter_mut().flatten().zip(y.constants.iter().flatten()) {
        x.iter_mut().zip(y).for_each(|(x, y)| add(x, y));
    }
    sum
}

#[test]
fn gradients_are_linear_in_the_loss() {
    soak("linearity", |model, base, noise| {
        let scaled = |by: f64| Loss { spikes: by, integrals: by, ..LOSS };
        // To the bit, as in the change of units.
        let found = seen(model, &scaled(-0.125))?;
        if found != combined(base, base, (-0.125, 0.0)) {
            return Err("an eighth of the loss has not an eighth of the gradient".into());
        }
        let (three, noise_of_three) = (seen(model, &scaled(3.0))?, noise.clone().times(3.0));
        let three = noise_of_three.same(&three, &combined(base, base, (3.0, 0.0)));
        three.map_err(|e| format!("three times the loss: {e}"))?;
        let spikes = seen(model, &Loss { integrals: 0.0, ..LOSS })?;
        let integrals = seen(model, &Loss { spikes: 0.0, ..LOSS })?;
        noise.same(&combined(&spikes, &integrals, (1.0, 1.0)), base)
    });
}

#[test]
fn two_half_synapses_are_one() {
    soak("split synapses", |model, base, noise| {
        let rng = &mut ChaCha8Rng::seed_from_u64(base.count() as u64);
        let (mut other, mut expected) = (model.clone(), base.clone());
        for (k, projection) in other.projections.iter_mut().enumerate() {
            let Projection { edges, dense, .. } = projection;
            let whole = std::mem::take(edges);
            *dense = false;
            let (mut weights, mut delays) = (Vec::new(), Vec::new());
            for (at, edge) in whole.into_iter().enumerate() {
                let parts = rng.random_range(1..=2);
                let share = 1.0 / f64::from(parts);
                for _ in 0..parts {
                    edges.push(Edge { weight: share * edge.weight, ..edge });
                    weights.push(base.weights[k][at]);
                    delays.push(share * base.delays[k][at]);
                }
            }
            (expected.weights[k], expected.delays[k]) = (weights, delays);
        }
        noise.same(&seen(&other, &LOSS)?, &expected)
    });
}

/// A model with one more neuron in each hidden layer; the synapses from it and to it have these weights.
fn grown(model: &Model, into: impl Fn(f64) -> f64, out: impl Fn(f64) -> f64) -> Model {
    let mut other = model.clone();
    let last = other.layers.len() - 1;
    for layer in &mut other.layers[..last] {
        let neurons = layer.marks.len();
        // Its own share of the loss is 0 if it does not fire; else the caller takes it away.
        layer.marks.push(0.0);
        let each = layer.constants.values_mut().filter(|v| v.len() == neurons && neurons > 1);
        each.for_each(|values| values.push(values[0]));
    }
    for p in &mut other.projections {
        let (posts, pres) = (model.layers[p.to].marks.len(), model.sources(p.from));
        let like = p.edges.clone();
        let delay = like.first().map_or(0.0, |e| e.delay);
        if p.to < last {
            let edge = |pre: usize| {
                let weight = like.get(pre).map_or(1.0, |e| e.weight);
                Edge { post: posts, pre, weight: into(weight), delay }
            };
            p.edges.extend((0..pres).map(edge));
        }
        if p.from.is_some() {
            let edge = |post: usize| {
                let weight = like.get(post).map_or(1.0, |e| e.weight);
                Edge { post, pre: pres, weight: out(weight), delay: 0.75 * delay }
            };
            p.edges.extend((0..posts).map(edge));
            if p.to < last {
                p.edges.push(Edge { post: posts, pre: pres, weight: 0.0, delay });
            }
        }
        p.sort();
    }
    other
}

/// What a grown model did, without the neurons that were added.
fn without_added(model: &Model, other: &Model, seen: &Seen) -> Seen {
    let mut kept = seen.clone();
    let last = model.layers.len() - 1;
    for (layer, spikes) in kept.spikes[..last].iter_mut().enumerate() {
        spikes.pop();
        for (kind, values) in &mut kept.constants[layer] {
            if values.len() > model.layers[layer].constants[kind].len() {
                values.pop();
            }
        }
    }
    for (k, p) in other.projections.iter().enumerate() {
        let (posts, pres) = (model.layers[p.to].marks.len(), model.sources(p.from));
        let old = |e: &Edge| e.post < posts && e.pre < pres;
        let keep = |values: &[f64]| -> Vec<f64> {
            p.edges.iter().zip(values).filter(|(e, _)| old(e)).map(|(_, &v)| v).collect()
        };
        kept.weights[k] = keep(&seen.weights[k]);
        kept.delays[k] = keep(&seen.delays[k]);
    }
    kept
}

#[test]
fn neurons_that_say_nothing_change_nothing() {
    use eventprop::ParameterKind::Bias;
    // A neuron of its own bias might fire for that; its integral would count.
    let quiet = |model: &mut Model| {
        model.potentials = false;
        model.layers.iter_mut().for_each(|layer| drop(layer.constants.remove(&Bias)));
    };
    soak_with("silent neurons", quiet, |model, base, noise| {
        // One that never fires, with synapses to others.
        let other = grown(model, |w| -w.abs(), |w| w);
        let found = seen(&other, &LOSS)?;
        let layers = model.layers.len() - 1;
        if found.spikes[..layers].iter().any(|l| !l[l.len() - 1].is_empty()) {
            return Err("inhibition makes a neuron fire".into());
        }
        let silent = noise.same(&without_added(model, &other, &found), base)?;
        // One that fires, and nobody hears it.
        let other = grown(model, |w| 0.9 * w, |_| 0.0);
        match run(&other, Engine::Fast, &LOSS) {
            Ok(found) => Ok(silent + noise.same(&without_added(model, &other, &found), base)?),
            // What it does to itself may be too much.
            Err(SimulationError::Runaway { layer, neuron, .. })
                if neuron + 1 == other.layers[layer.parse::<usize>().unwrap()].marks.len() =>
            {
                Ok(silent)
            }
            Err(error) => Err(error.to_string()),
        }
    });
}

#[test]
fn small_errors_would_be_noticed() {
    let (networks, late, wrong) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0_u64));
    let add = |counter: &Cell<u64>, found: bool| counter.set(counter.get() + u64::from(found));
    soak("errors", |_, base, noise| {
        if base.count() == 0 || base.weights.iter().flatten().all(|g| *g == 0.0) {
            return Ok(0);
        }
        add(&networks, true);
        let mut other = base.clone();
        other.spikes.iter_mut().flatten().flatten().for_each(|t| *t *= 1.0 + 1e-9);
        add(&late, noise.same(&other, base).is_err());
        let mut other = base.clone();
        other.weights.iter_mut().flatten().for_each(|g| *g *= 1.0 + 1e-8);
        add(&wrong, noise.same(&other, base).is_err());
        Ok(0)
    });
    let (networks, late, wrong) = (networks.get(), late.get(), wrong.get());
    println!(
        "of {networks} networks, {late} notice 1e-9 in times and {wrong} notice 1e-8 in gradients"
    );
    // The others amplify what they are given, by flat crossings or loops.
    assert!(late * 20 > networks * 19 && wrong * 20 > networks * 17);
}
