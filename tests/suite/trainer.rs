//! The training loop: what it computes, when it stops, what it tells.

use crate::task::{data, network, objective, trainer};
use eventprop::train::{
    BatchReport, EpochReport, History, Log, Metric, Observer, Progress, Schedule, Start,
    TrainError, Trainer, Verdict, evaluate, predict,
};
use eventprop::{
    Adam, DelayPenalty, Goal, Network, Optimizer, ParameterKind, Sample, Sgd, SpikingNetwork,
    backward_batch, evaluate_batch,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub fn values(net: &dyn Network<f64>) -> Vec<f64> {
    net.parameters().iter().flat_map(|(_, p)| p.values.to_vec()).collect()
}

/// Writes down all that it is told.
#[derive(Default)]
pub struct Recorder {
    batches: Vec<BatchReport>,
    pub epochs: Vec<usize>,
    pub start: Option<(usize, usize)>,
}

impl Observer<f64> for Recorder {
    fn start(&mut self, start: &Start<'_>, _: &dyn Network<f64>) -> Verdict {
        self.start = Some((start.epochs, start.batches));
        Ok(ControlFlow::Continue(()))
    }

    fn batch(&mut self, report: &BatchReport, _: &dyn Network<f64>) -> Verdict {
        self.batches.push(*report);
        Ok(ControlFlow::Continue(()))
    }

    fn epoch(&mut self, report: &EpochReport, _: &dyn Network<f64>) -> Verdict {
        self.epochs.push(report.epoch);
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn an_epoch_of_one_batch_is_one_step_along_the_mean_gradient() {
    let set = data(6, 1);
    let (mut net, mut by_hand) = (network(), network());
    let schedule = Schedule::Exponential { factor: 0.5 };
    let penalty = DelayPenalty { l1: 0.2, l2: 0.3 };
    let trainer = Trainer::new(objective(), Sgd::new(0.1)).epochs(2).batch(6).schedule(schedule);
    let trainer = trainer.delay_penalty(penalty);
    trainer.fit(&mut net, &set, None, &mut []).unwrap();
    let samples: Vec<_> = (0..6).map(|k| (set.spikes(k).unwrap(), set.label(k))).collect();
    let samples: Vec<_> = samples.iter().map(|(input, target)| Sample { input, target }).collect();
    for rate in [0.1, 0.05] {
        let (_, mut gradients) =
            backward_batch(&by_hand, &samples, set.duration(), &objective()).unwrap();
        penalty.add_to(&by_hand, &mut gradients).unwrap();
        Sgd::new(rate).step(&mut by_hand, &gradients).unwrap();
    }
    // In another order of summation.
    for (a, b) in values(&net).iter().zip(values(&by_hand)) {
        assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{a} {b}");
    }
}

#[test]
fn health_tells_where_in_the_set_a_spike_was() {
    let set = data(30, 1);
    let mut net = network();
    // A rate of zero, so that the network stays what it is.
    let trainer = Trainer::new(objective(), Sgd::new(0.0)).epochs(1).batch(7);
    let history = trainer.fit(&mut net, &set, None, &mut []).unwrap();
    let health = &history.epochs[0].train.health;
    for found in [health.smallest_slope.unwrap(), health.largest_adjoint.unwrap()] {
        let trace = net.forward(&set.spikes(found.sample).unwrap(), set.duration()).unwrap();
        let train = trace.spikes(found.layer).channel(found.neuron);
        assert!(train.contains(&found.time), "{found:?}: {train:?}");
    }
}

#[test]
fn what_is_chosen_at_run_time_trains_as_what_is_known_before() {
    let set = data(12, 1);
    let (mut known, mut chosen) = (network(), Box::new(network()) as Box<dyn Network<f64>>);
    let goal: Box<dyn Goal<f64, Target = usize>> = Box::new(objective());
    let one = Trainer::new(objective(), Adam::new(0.01)).epochs(2).batch(4);
    let other = Trainer::new(&*goal, Adam::new(0.01)).epochs(2).batch(4);
    let before = values(&known);
    let one = one.fit(&mut known, &set, Some(&set), &mut []).unwrap();
    let other = other.fit(&mut *chosen, &set, Some(&set), &mut []).unwrap();
    assert_eq!(one, other);
    let boxed = Trainer::new(goal, Adam::new(0.01)).epochs(2).batch(4);
    assert_eq!(boxed.fit(&mut network(), &set, Some(&set), &mut []).unwrap(), one);
    assert_eq!(values(&known), values(&*chosen));
    assert_ne!(values(&known), before);
    let metrics = evaluate(&*chosen, &set, set.duration(), boxed.goal()).unwrap();
    assert_eq!(Some(&metrics), other.epochs[1].validation.as_ref());
    let found = predict(&*chosen, &set, set.duration(), boxed.goal()).unwrap();
    let right = found.iter().zip(set.labels()).filter(|(found, label)| **found == Some(*label));
    assert_eq!((found.len(), right.count()), (set.len(), metrics.correct));
}

#[test]
fn every_sample_is_met_once_an_epoch_and_observers_are_told() {
    let mut recorder = Recorder::default();
    let trainer = Trainer::new(objective(), Adam::new(0.01)).epochs(2).batch(4);
    let history = trainer.fit(&mut network(), &data(10, 1), None, &mut [&mut recorder]).unwrap();
    assert_eq!(recorder.start, Some((2, 3)));
    let sizes: Vec<_> = recorder.batches.iter().map(|b| (b.epoch, b.batch, b.samples)).collect();
    assert_eq!(sizes, [(0, 0, 4), (0, 1, 4), (0, 2, 2), (1, 0, 4), (1, 1, 4), (1, 2, 2)]);
    assert_eq!(recorder.epochs, [0, 1]);
    let metrics = &history.epochs[1].train;
    assert_eq!(metrics.samples, 10);
    let of = |class| metrics.confusion.counts().filter(move |&(label, ..)| label == class);
    assert_eq!([0, 1, 2].map(|class| of(class).map(|(.., n)| n).sum::<u64>()), [4, 3, 3]);
    assert_eq!(metrics.health.trials, 10);
    let mean = recorder.batches[3..].iter().map(|b| b.loss * b.samples as f64).sum::<f64>() / 10.0;
    assert!((mean - metrics.loss).abs() < 1e-12);
}

#[test]
fn penalties_on_delays_shorten_them_and_have_a_value() {
    let sum = |net: &SpikingNetwork<f64>| {
        let parameters = net.parameters().into_iter();
        let delays = parameters.filter(|(_, p)| p.kind == ParameterKind::Delay);
        delays.flat_map(|(_, p)| p.values).sum::<f64>()
    };
    let after = |l1| {
        let mut net = network();
        let trainer = Trainer::new(objective(), Adam::new(0.01).delay_rate(0.05)).epochs(5);
        let trainer = trainer.delay_penalty(DelayPenalty { l1, l2: 0.0 });
        trainer.fit(&mut net, &data(10, 1), None, &mut []).unwrap();
        sum(&net)
    };
    assert!(after(10.0) < after(0.0) && after(10.0) < sum(&network()));
    for (l1, l2) in [(f64::NAN, 0.0), (0.0, f64::INFINITY)] {
        let trainer = Trainer::new(objective(), Adam::new(0.01));
        let trainer = trainer.delay_penalty(DelayPenalty { l1, l2 });
        let error = trainer.fit(&mut network(), &data(10, 1), None, &mut []).unwrap_err();
        assert!(matches!(error, TrainError::Setting { rule: "finite", .. }), "{error}");
    }
}

#[test]
fn observers_see_the_network_of_the_moment() {
    /// Parameters at the start, after each batch, and after each epoch.
    #[derive(Default)]
    struct Watch(Vec<Vec<f64>>, Vec<Vec<f64>>, Vec<Vec<f64>>);
    fn seen(network: &dyn Network<f64>) -> Vec<f64> {
        network.parameters().iter().flat_map(|(_, p)| p.values.to_vec()).collect()
    }
    impl Observer<f64> for Watch {
        fn start(&mut self, _: &Start<'_>, network: &dyn Network<f64>) -> Verdict {
            self.0.push(seen(network));
            Ok(ControlFlow::Continue(()))
        }
        fn batch(&mut self, _: &BatchReport, network: &dyn Network<f64>) -> Verdict {
            self.1.push(seen(network));
            Ok(ControlFlow::Continue(()))
        }
        fn epoch(&mut self, _: &EpochReport, network: &dyn Network<f64>) -> Verdict {
            self.2.push(seen(network));
            Ok(ControlFlow::Continue(()))
        }
    }
    let (mut watch, mut net) = (Watch::default(), network());
    // So fast that the last epoch is not the best.
    let trainer = Trainer::new(objective(), Adam::new(2.0)).epochs(6).batch(5);
    let trainer = trainer.keep_best(Metric::TrainLoss);
    let history = trainer.fit(&mut net, &data(10, 1), None, &mut [&mut watch]).unwrap();
    let Watch(starts, batches, epochs) = watch;
    assert_eq!(starts, [values(&network())]);
    assert!(batches.windows(2).all(|two| two[0] != two[1]) && batches[0] != starts[0]);
    assert!(batches.iter().skip(1).step_by(2).eq(&epochs));
    let best = history.best(Metric::TrainLoss).unwrap().epoch;
    assert!(best < 5, "{best}");
    assert_eq!(values(&net), epochs[best]);
}

#[test]
fn evaluation_is_that_of_one_batch() {
    let set = data(600, 3); // more than are in memory at a time
    let metrics = evaluate(&network(), &set, 30.0, &objective()).unwrap();
    let samples: Vec<_> = (0..600).map(|k| (set.spikes(k).unwrap(), set.label(k))).collect();
    let samples: Vec<_> = samples.iter().map(|(input, target)| Sample { input, target }).collect();
    let whole = evaluate_batch(&network(), &samples, 30.0, &objective()).unwrap();
    assert!((metrics.loss - whole.loss).abs() < 1e-12);
    assert_eq!(metrics.correct, whole.correct(samples.iter().map(|s| s.target)));
    assert_eq!((&metrics.spikes, &metrics.silent), (&whole.spikes, &whole.silent));
    let diagonal: u64 = (0..3).map(|k| metrics.confusion.count(k, Some(k))).sum();
    assert_eq!(diagonal, metrics.correct as u64);
    let silent = whole.silent[0].iter().filter(|&&s| s == 600).count();
    assert_eq!(metrics.silent_neurons(0), silent);
    let empty = set.subset(&[]).unwrap();
    assert_eq!(evaluate(&network(), &empty, 30.0, &objective()).unwrap().samples, 0);
}

#[test]
fn the_result_is_the_same_for_any_number_of_threads() {
    let run = || {
        let mut net = network();
        let history = trainer(3).fit(&mut net, &data(24, 1), Some(&data(9, 2)), &mut []).unwrap();
        (values(&net), history)
    };
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    assert_eq!(pool(1).install(run), pool(3).install(run));
}

#[test]
fn the_best_epoch_stays_and_training_stops_after_it() {
    // Steps that are far too large, so that the loss soon gets worse.
    let validation = data(9, 2);
    let fit = |epochs: usize| {
        let trainer = Trainer::new(objective(), Adam::new(0.3)).epochs(epochs).batch(6);
        let trainer =
            trainer.stop_early(Metric::ValidationLoss, 3).keep_best(Metric::ValidationLoss);
        let mut net = network();
        let history = trainer.fit(&mut net, &data(24, 1), Some(&validation), &mut []).unwrap();
        (net, history)
    };
    let (net, history) = fit(60);
    let best = history.best(Metric::ValidationLoss).unwrap();
    assert!(history.epochs.len() < 60);
    assert_eq!(history.epochs.len(), best.epoch + 1 + 3);
    let losses = history.epochs.iter().map(|e| Metric::ValidationLoss.of(e).unwrap());
    let least = losses.fold(f64::INFINITY, f64::min);
    let now = evaluate(&net, &validation, 30.0, &objective()).unwrap();
    assert_eq!(now.loss, least);
    let (until_best, _) = fit(best.epoch + 1);
    assert_eq!(values(&net), values(&until_best));
}

#[test]
fn schedules_are_functions_of_what_was_done() {
    let none = History::default();
    let ease = Schedule::ease_in();
    assert_eq!(ease.factor(1, 0, &none), 1e-3 * 1.05);
    assert_eq!(ease.factor(141, 0, &none), 1e-3 * std::hint::black_box(1.05_f64).powi(141));
    assert_eq!(ease.factor(142, 0, &none), 1.0); // 1.05^142 > 1000
    let cosine = Schedule::Cosine { epochs: 10, end: 0.2 };
    let at = |epoch| cosine.factor(0, epoch, &none);
    assert_eq!(at(0), 1.0);
    assert!((at(5) - 0.6).abs() < 1e-15);
    assert!((at(10) - 0.2).abs() < 1e-15 && (at(99) - 0.2).abs() < 1e-15);
    let step = Schedule::Step { epochs: 3, factor: 0.1 };
    assert_eq!([2, 3, 6].map(|epoch| step.factor(0, epoch, &none)), [1.0, 0.1, 0.1_f64.powi(2)]);
    let both = step.clone().and(cosine.clone());
    assert_eq!(both.factor(0, 5, &none), step.factor(0, 5, &none) * at(5));
    // A loss of 3, 2, 2, 2, 1, 1, 1, 1 is stale for 2 epochs after the 4th and after the 7th.
    let trainer = Trainer::new(objective(), Sgd::new(0.0));
    let one = trainer.epochs(1).fit(&mut network(), &data(3, 1), None, &mut []).unwrap();
    let plateau = Schedule::Plateau { metric: Metric::TrainLoss, patience: 2, factor: 0.5 };
    let mut history = History::default();
    let mut factors = vec![plateau.factor(0, 0, &history)];
    for (epoch, loss) in [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
        let mut report = one.epochs[0].clone();
        (report.epoch, report.train.loss) = (epoch, loss);
        history.epochs.push(report);
        factors.push(plateau.factor(0, epoch + 1, &history));
    }
    assert_eq!(factors, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]);
}

#[test]
fn stops_are_for_the_end_of_the_epoch() {
    let flag = Arc::new(AtomicBool::new(false));
    struct Raise(Arc<AtomicBool>);
    impl Observer<f64> for Raise {
        fn batch(&mut self, report: &BatchReport, _: &dyn Network<f64>) -> Verdict {
            if report.epoch == 1 {
                self.0.store(true, Ordering::Relaxed);
            }
            Ok(ControlFlow::Continue(()))
        }
    }
    let trainer = Trainer::new(objective(), Adam::new(0.01)).epochs(9).batch(4);
    let trainer = trainer.stop_flag(flag.clone());
    let observer: &mut dyn Observer<f64> = &mut Raise(flag);
    let history = trainer.fit(&mut network(), &data(10, 1), None, &mut [observer]).unwrap();
    assert_eq!(history.epochs.len(), 2);
    assert_eq!(history.epochs[1].train.samples, 10);
    // The flag is up since then.
    let history = trainer.fit(&mut network(), &data(10, 1), None, &mut []).unwrap();
    assert!(history.epochs.is_empty());
}

#[test]
fn logs_have_each_epoch_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/run.csv");
    let fit = || {
        let mut log = Log::csv(&path);
        let trainer = Trainer::new(objective(), Adam::new(0.01)).epochs(3);
        trainer.fit(&mut network(), &data(9, 1), Some(&data(9, 2)), &mut [&mut log]).unwrap()
    };
    let history = fit();
    fit();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line.len() == lines[0].len()));
    let column_of = |wanted| lines[0].iter().position(|&name| name == wanted).unwrap();
    let (column, spikes) = (column_of("validation_loss"), column_of("train_spikes_hidden"));
    // The integrators never fire, and have no column.
    assert_eq!(lines[0].iter().filter(|name| name.contains("_spikes_")).count(), 2);
    for (line, report) in lines[1..].iter().zip(&history.epochs) {
        assert_eq!(line[0], report.epoch.to_string());
        assert_eq!(line[spikes].parse(), Ok(report.train.spikes_per_neuron(0)));
        let loss: f64 = line[column].parse().unwrap();
        assert_eq!(Some(loss), Metric::ValidationLoss.of(report));
    }
}

#[cfg(feature = "files")]
#[test]
fn logs_of_resumed_training_have_each_epoch_once() {
    use eventprop::train::Checkpoints;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let checkpoints = || Checkpoints::new(folder.path().join("checkpoints")).resume(true);
    let fit = |epochs| {
        let mut log = Log::json_lines(&path);
        let trainer = Trainer::new(objective(), Adam::new(0.01)).epochs(epochs);
        let trainer = trainer.checkpoints(checkpoints());
        trainer.fit(&mut network(), &data(9, 1), None, &mut [&mut log]).unwrap()
    };
    fit(2);
    // As if it had been killed while it wrote.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{}", &text[..20])).unwrap();
    let history = fit(4);
    let text = std::fs::read_to_string(&path).unwrap();
    let epochs: Vec<EpochReport> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(epochs, history.epochs);
}

#[test]
fn watching_changes_nothing_and_metrics_are_what_they_are_called() {
    let (train, validation) = (data(12, 1), data(9, 2));
    let fit = |observers: &mut [&mut dyn Observer<f64>]| {
        let mut net = network();
        let trainer = Trainer::new(objective(), Adam::new(0.05)).epochs(4).batch(6);
        let history = trainer.fit(&mut net, &train, Some(&validation), observers).unwrap();
        (net, history)
    };
    let (alone, history) = fit(&mut []);
    // Without a terminal the bar is not drawn, but counts all the same.
    let (watched, _) = fit(&mut [&mut Progress::new()]);
    assert_eq!(values(&alone), values(&watched));

    for metric in [Metric::TrainAccuracy, Metric::ValidationAccuracy] {
        let of = |e: &EpochReport| metric.of(e).unwrap();
        let most = history.epochs.iter().map(of).fold(0.0, f64::max);
        let best = history.best(metric).unwrap();
        assert_eq!(of(best), most);
        // Of equal ones the first.
        assert!(history.epochs[..best.epoch].iter().all(|e| of(e) < most));
        assert!(metric.is_better(0.9, 0.8) && !metric.is_better(0.8, 0.8));
    }
    let names: Vec<_> = [Metric::TrainLoss, Metric::TrainAccuracy].map(|m| m.to_string()).into();
    assert_eq!(names, ["training loss", "training accuracy"]);

    let metrics = evaluate(&alone, &validation, 30.0, &objective()).unwrap();
    let spikes: usize = (0..validation.len())
        .map(|k| alone.forward(&validation.spikes(k).unwrap(), 30.0).unwrap().spikes(0).len())
        .sum();
    assert_eq!(metrics.spikes_per_neuron(0), spikes as f64 / (9.0 * 8.0));
    assert!(spikes > 0);
}
