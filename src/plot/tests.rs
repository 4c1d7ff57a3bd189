//! Pictures of anything: they end, they are XML, and they hold what was asked for.

use super::*;
use crate::data::YinYang;
use crate::{Dense, Lif, Network, NetworkBuilder, SpikeTrains, SpikingNetwork, train};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// Refuses what is not XML, and coordinates that are no numbers.
fn check(picture: &Picture) -> Result<(), String> {
    let svg = picture.svg();
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').ok_or(format!("unclosed tag: {part}"))?;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap_or_default());
        }
        if tag.contains("NaN") || tag.contains("inf") || text.contains('>') {
            return Err(format!("<{part}"));
        }
    }
    let control = |c: char| c.is_control() && c != '\n';
    match open.is_empty() && !svg.contains(control) && svg.len() < 10_000_000 {
        true => Ok(()),
        false => Err(format!("{} bytes, {open:?} left open", svg.len())),
    }
}

fn count(picture: &Picture, what: &str) -> usize {
    picture.svg().matches(what).count()
}

fn network(delay: f64) -> SpikingNetwork {
    let mut net = NetworkBuilder::new();
    let input = net.input("in <&> \"put\"", 2);
    let hidden = net.layer("hid\u{7}den", Lif::new(4));
    net.connect(input, hidden, Dense::weights(6.0).delays(delay));
    net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
}

fn input() -> SpikeTrains {
    SpikeTrains::from_channels([vec![1.0, 20.0], vec![2.0, 21.0]]).unwrap()
}

#[test]
fn a_raster_has_a_mark_per_spike() {
    let spikes = input();
    let raster =
        |trains: &_| Raster::new().trial(Trial::new(50.0).layer("a", trains)).draw().unwrap();
    let (full, empty) = (raster(&spikes), raster(&SpikeTrains::silent(2)));
    check(&full).unwrap();
    assert_eq!(count(&full, "<rect") - count(&empty, "<rect"), 4);
    // What falls on one pixel is one mark, so a picture of a million spikes is no larger.
    let crowd = SpikeTrains::from_channels([vec![7.0; 1_000_000]]).unwrap();
    assert_eq!(count(&raster(&crowd), "<rect") - count(&empty, "<rect"), 1);
    check(&raster(&SpikeTrains::silent(0))).unwrap();
    check(&raster(&SpikeTrains::silent(100_000))).unwrap();
}

#[test]
fn traces_and_membranes_of_a_network() {
    let net = network(1.0);
    let trace = net.forward(&input(), 50.0).unwrap();
    assert!(trace.spikes(0).len() >= 4);
    let named = |layer: &str, names: &[&str]| {
        let trial = Trial::of(&net, &trace).title("<>");
        Raster::new().trial(trial).names(layer, names).draw()
    };
    check(&named("input", &["&", "<"]).unwrap()).unwrap();
    let typo = PlotError::NoSuchName { name: "inptu".into() };
    assert_eq!(named("inptu", &["&", "<"]).unwrap_err(), typo);
    let one = named("input", &["&"]).unwrap_err();
    assert!(matches!(one, PlotError::Count { found: 1, expected: 2, .. }), "{one:?}");
    let all = Membranes::new(&net, &trace, 0).neurons(0..4).draw().unwrap();
    check(&all).unwrap();
    // One vertical line per spike.
    let [r, g, b] = [213, 94, 0];
    let ink = format!("stroke=\"#{r:02X}{g:02X}{b:02X}\"");
    assert_eq!(count(&all, &ink), trace.spikes(0).len() + 1, "and one in the legend");

    let membranes = |layer, neurons: &[usize]| {
        Membranes::new(&net, &trace, layer).neurons(neurons.iter().copied()).draw()
    };
    assert!(matches!(membranes(1, &[0]), Err(PlotError::NoSuchLayer { layer: 1, layers: 1 })));
    assert!(matches!(membranes(0, &[4]), Err(PlotError::Readout(_))));
    assert!(matches!(membranes(0, &[]), Err(PlotError::Empty { .. })));
    let other = network(1.0);
    let foreign = Membranes::new(&other, &trace, 0).draw();
    assert!(matches!(foreign, Err(PlotError::Trace(_))));
}

#[test]
fn delays_of_all_synapses_are_counted() {
    let picture = Histograms::delays(&network(1.0), &network(3.0)).draw().unwrap();
    check(&picture).unwrap();
    assert!(picture.svg().contains("8 values, mean 1.0 → 3.0 ms"));
    let weights = Histograms::weights(&network(1.0), &network(3.0)).draw().unwrap();
    assert!(weights.svg().contains("8 values, mean 6.0 → 6.0\n"));
}

#[test]
fn curves_are_those_of_a_history() {
    use crate::{Adam, CrossEntropy, FirstSpikeTime, Objective};
    let mut net = network(1.0);
    // Else all fire at the same time, which is no prediction.
    net.parameters_mut()[0].1.values.iter_mut().zip(0..).for_each(|(w, k)| *w += f64::from(k));
    net.update();
    let samples = [input(), SpikeTrains::silent(2)].map(|spikes| (spikes, 0));
    let set = crate::data::Dataset::from_samples(2, 4, 50.0, samples.to_vec()).unwrap();
    let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(5.0));
    let trainer = train::Trainer::new(objective, Adam::new(0.01)).epochs(3);
    let history = trainer.fit(&mut net, &set, Some(&set), &mut []).unwrap();
    let by_hand = |values: fn(&train::Metrics) -> f64| {
        history.epochs.iter().map(|e| values(&e.train)).collect::<Vec<_>>()
    };
    let validation = history.epochs.iter().map(|e| e.validation.as_ref().unwrap());
    let of = TrainingRun::of("a", &history);
    let expected = TrainingRun::new("a")
        .train_loss(by_hand(|m| m.loss))
        .train_accuracy(by_hand(train::Metrics::accuracy))
        .validation_loss(validation.clone().map(|m| m.loss).collect::<Vec<_>>())
        .validation_accuracy(validation.map(train::Metrics::accuracy).collect::<Vec<_>>());
    assert_eq!(of, expected);
    check(&TrainingCurves::new().run(of).draw().unwrap()).unwrap();
}

#[test]
fn nothing_to_draw_is_an_error() {
    let empty = [
        Raster::new().draw(),
        Raster::new().trial(Trial::new(1.0)).draw(),
        Histograms::new("x").draw(),
        Chart::new().draw(),
        TrainingCurves::new().run(TrainingRun::new("a")).draw(),
        Comparison::new("x", "y").reference("r", 1.0).draw(),
    ];
    for picture in empty {
        assert!(matches!(picture, Err(PlotError::Empty { .. })), "{picture:?}");
    }
    for duration in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let spikes = input();
        let raster = Raster::new().trial(Trial::new(duration).layer("a", &spikes)).draw();
        assert!(matches!(raster, Err(PlotError::Duration { .. })));
    }
    check(&Histograms::new("x").panel("", [], [f64::NAN]).draw().unwrap()).unwrap();
    check(&Chart::new().panel(Panel::new(Axis::log(""), Axis::linear(""))).draw().unwrap())
        .unwrap();
}

#[test]
fn a_confusion_matrix_that_nobody_could_read_is_refused() {
    let names: Vec<usize> = (0..401).collect();
    let error = Confusion::of(&names, &[400], &[Some(3)]).unwrap_err();
    assert!(matches!(error, PlotError::TooMany { found: 401, most: 400, .. }), "{error}");
    assert!(Confusion::of(&names[..400], &[399], &[Some(3)]).is_ok());
}

#[test]
fn layers_of_trials_go_by_their_names() {
    let (a, b) = (input(), SpikeTrains::from_channels([[3.0], [4.0]]).unwrap());
    let both = || Trial::new(50.0).layer("a", &a).layer("b", &b);
    let draw = |trial| Raster::new().trial(both()).trial(trial).draw();
    let in_order = draw(both()).unwrap();
    let reversed = draw(Trial::new(50.0).layer("b", &b).layer("a", &a)).unwrap();
    let marks = |picture: &Picture| {
        let mut lines: Vec<_> = picture.svg().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(marks(&in_order), marks(&reversed));
    // One layer alone keeps its place.
    let (one, other) = (draw(Trial::new(50.0).layer("b", &b)).unwrap(), in_order.svg());
    assert!(one.svg().lines().all(|line| other.contains(line)));
    for trial in [Trial::new(50.0).layer("c", &a), Trial::new(50.0).layer("a", &a).layer("a", &a)] {
        assert!(matches!(draw(trial), Err(PlotError::OtherLayer { .. })));
    }
}

#[test]
fn figures_in_words_count_what_there_is() {
    let run = TrainingRun::new("run").validation_accuracy([0.5, f64::NAN]);
    let picture = TrainingCurves::new().run(run).draw().unwrap();
    assert!(!picture.svg().contains("NaN"));
    let chart = Comparison::new("x", "y").series("s", [(1.0, vec![1.0, f64::NAN, 2.0])]);
    assert!(chart.draw().unwrap().svg().contains("of 2 runs"));
}

#[test]
fn confusion_counts_and_refuses() {
    let names = ["a", "b"];
    let of = |labels: &[usize], found: &[Option<usize>]| Confusion::of(&names, labels, found);
    let confusion = of(&[0, 0, 1], &[Some(0), None, Some(0)]).unwrap();
    let picture = confusion.draw().unwrap();
    check(&picture).unwrap();
    for text in ["Accuracy 33.3 % (1 of 3)", "none\n", "50 %", "0 %"] {
        assert!(picture.svg().contains(text), "{text}");
    }
    let found = train::Confusion::new(&[0, 1], &[Some(0), Some(0)]);
    let same = Confusion::new(&names, &found).unwrap().draw().unwrap();
    assert!(same.svg().contains("Accuracy 50.0 % (1 of 2)") && !same.svg().contains("none\n"));
    // Readings of classes without a name go with those of none.
    assert_eq!(of(&[0], &[Some(usize::MAX)]), of(&[0], &[None]));
    check(&of(&[], &[]).unwrap().draw().unwrap()).unwrap();
    let refused = of(&[0, 2], &[None, None]);
    assert!(matches!(refused, Err(PlotError::Class { index: 1, class: 2, classes: 2, .. })));
    assert!(matches!(of(&[0], &[]), Err(PlotError::Count { found: 0, expected: 1, .. })));
    assert!(Confusion::new::<&str>(&[], &train::Confusion::default()).is_err());
    let many: Vec<String> = (0..35).map(|k| format!("a rather long name {k}")).collect();
    check(&Confusion::of(&many, &[34], &[Some(usize::MIN)]).unwrap().draw().unwrap()).unwrap();
}

#[test]
fn decision_maps_want_an_answer_for_each_point() {
    let points: Vec<_> = DecisionMap::grid(9).collect();
    let answers: Vec<_> = points.iter().map(|p| YinYang::default().classify(p.x, p.y)).collect();
    let map = DecisionMap::new(9, &answers).unwrap();
    check(&map.clone().points(&points[..2], &[Some(0), None]).unwrap().draw().unwrap()).unwrap();
    assert!(map.clone().points(&points, &[]).is_err());
    assert!(matches!(DecisionMap::new(8, &answers), Err(PlotError::Count { expected: 64, .. })));
    assert!(matches!(DecisionMap::new(0, &[]), Err(PlotError::Empty { .. })));
    let class = PlotError::Class { what: "answer", index: 0, class: 3, classes: 3 };
    assert_eq!(DecisionMap::new(1, &[Some(3)]), Err(class));
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let picture = Comparison::new("x", "y").series("a", [(1, [2.0])]).draw().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/for/it.svg");
    picture.save(&path).unwrap();
    let below_a_file = path.join("picture.svg");
    let error = picture.save(&below_a_file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", below_a_file.display())), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_numbers_can_be_drawn(
        values in prop::collection::vec(proptest::num::f64::ANY, 0..12),
        text in ".{0,40}",
        log in any::<bool>(),
    ) {
        let points = || values.iter().copied().zip(values.iter().rev().copied());
        let axis = || if log { Axis::log(&text) } else { Axis::linear(&text) };
        let given = axis().range(points().next().map_or(0.0..0.0, |(a, b)| a..b));
        let line = Line::new(&text, points()).dots();
        let panel = Panel::new(axis(), given).line(line);
        let run = TrainingRun::new(&text).train_loss(values.clone()).validation_accuracy(values.clone());
        let curves = TrainingCurves::new().run(run.train_accuracy([0.5]));
        let all = Comparison::new(&text, &text).title(&text).reference(&text, 1.0);
        let all = all.series(&text, [(&text, values.clone()), (&String::new(), vec![])]);
        let histograms = Histograms::new(&text).panel(&text, values.clone(), [1.0]);
        let pictures = [
            Chart::new().title(&text).note(&text).panel(panel).draw(),
            curves.draw(),
            all.clone().draw(),
            all.bars().draw(),
            histograms.draw(),
        ];
        for picture in pictures {
            prop_assert_eq!(check(&picture.unwrap()), Ok(()));
        }
    }
}
