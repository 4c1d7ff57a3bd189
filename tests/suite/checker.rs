//! Which gradients the checker looks at, and on how many threads.

use eventprop::check::{CheckReport, GradientCheck};
use eventprop::{
    CrossEntropy, Delays, Dense, Gradients, LeakyIntegrator, Lif, MeanVoltage, Network,
    NetworkBuilder, Objective, ParameterKind, SpikeTrains, SpikingNetwork,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::Uniform;

const DURATION: f64 = 50.0;

/// A network with 4 x 3 and 3 x 2 synapses, and an input of 7 spikes.
fn network() -> (SpikingNetwork, SpikeTrains) {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 4);
    let hidden = net.layer("hidden", Lif::new(3));
    let output = net.layer("output", LeakyIntegrator::new(2));
    let weights = Uniform::new(1.0, 3.0).unwrap();
    let dense = || Dense::weights(weights).delays(Uniform::new(0.5, 9.0).unwrap());
    net.connect(input, hidden, dense());
    net.connect(hidden, output, dense());
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(4)).unwrap();
    let trains = [vec![1.0, 8.0], vec![2.0, 12.5], vec![3.5], vec![4.0, 6.0]];
    (net, SpikeTrains::from_channels(trains).unwrap())
}

fn objective() -> Objective<MeanVoltage, CrossEntropy> {
    Objective::new(MeanVoltage, CrossEntropy::new())
}

/// The report on gradients of which each is wrong.
fn report(check: &GradientCheck) -> CheckReport {
    let (net, input) = network();
    let trace = net.forward(&input, DURATION).unwrap();
    let mut wrong: Gradients = net.backward(&trace, &objective(), &1).unwrap().1;
    wrong.values_mut().iter_mut().for_each(|g| *g += 1.0);
    wrong.input_times.iter_mut().for_each(|g| *g += 1.0);
    check.compare(&net, &input, DURATION, &objective(), &1, &wrong).unwrap()
}

fn looked_at(report: &CheckReport) -> Vec<Vec<usize>> {
    let class = |c: &eventprop::check::CheckClass| c.mismatches.iter().map(|m| m.index).collect();
    report.classes.iter().map(class).collect()
}

#[test]
fn where_a_delay_equals_the_refractory_period_there_is_nothing_to_compare_with() {
    let report = |delay: f64| {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", 1);
        let layer = net.layer("layer", Lif::new(1).tau_mem(10.0).refractory(2.0));
        let output = net.layer("output", LeakyIntegrator::new(2));
        net.connect(input, layer, Dense::weights(20.0).delays(1.0));
        net.connect(layer, layer, Dense::weights(-1.5).delays(delay));
        net.connect(layer, output, Dense::weights(ndarray::array![[1.0], [-0.5]]));
        let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let input = SpikeTrains::from_channels([[1.0, 9.0]]).unwrap();
        GradientCheck::new().run(&net, &input, DURATION, &objective(), &1).unwrap()
    };
    for delay in [1.9, 2.1] {
        assert!(report(delay).passed() && report(delay).skipped() == 0, "{}", report(delay));
    }
    let tie = report(2.0);
    assert!(tie.passed() && tie.mismatches().next().is_none(), "{tie}");
    let skipped: Vec<_> = tie.classes.iter().filter(|c| c.skipped > 0).map(|c| &c.name).collect();
    assert_eq!(skipped, ["layer->layer delay"]);
}

#[test]
fn some_gradients_are_enough_if_one_says_so() {
    let all = report(&GradientCheck::new());
    let every = |len: usize| (0..len).collect::<Vec<_>>();
    assert_eq!(looked_at(&all), [12, 12, 6, 6, 7].map(every));
    assert_eq!((all.checked(), all.left_out()), (43, 0));

    let some = report(&GradientCheck::new().at_most(3));
    let (of_12, of_6) = (vec![2, 6, 10], vec![1, 3, 5]);
    let expected = [of_12.clone(), of_12, of_6.clone(), of_6, vec![1, 3, 5]];
    assert_eq!(looked_at(&some), expected);
    assert_eq!((some.checked(), some.left_out()), (15, 28));
    assert!(some.to_string().contains("28 more were not looked at"), "{some}");
    // Those that are looked at are found to be what they are found to be among all.
    for (some, all) in some.classes.iter().zip(&all.classes) {
        assert!(some.mismatches.iter().all(|m| all.mismatches.contains(m)));
    }

    // Nothing that is looked at has not passed.
    let none = report(&GradientCheck::new().at_most(0));
    assert_eq!((none.checked(), none.left_out(), none.passed()), (0, 43, false));
}

#[test]
fn the_number_of_threads_changes_no_report() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| report(&GradientCheck::new()))
    };
    let one = on(1);
    assert!([2, 3, 16].into_iter().all(|threads| on(threads) == one));
}

#[test]
fn a_delay_of_several_parts_has_all_of_its_gradients() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 3);
    let output = net.layer("output", LeakyIntegrator::new(4));
    let delays = (Delays::axonal(1.0), Delays::dendritic(2.0));
    net.connect(input, output, Dense::weights(1.0).delays(delays.0).delays(delays.1));
    let net: SpikingNetwork = net.build(&mut ChaCha8Rng::seed_from_u64(4)).unwrap();
    let input = SpikeTrains::from_channels([[1.0], [2.0], [3.0]]).unwrap();

    let trace = net.forward(&input, DURATION).unwrap();
    let (_, gradients) = net.backward(&trace, &objective(), &1).unwrap();
    assert_eq!(gradients.get("input->output", ParameterKind::Delay).unwrap().len(), 3 + 4);
    assert_eq!(gradients.get("input->output", ParameterKind::Weight).unwrap().len(), 12);
    assert_eq!(gradients.get("input->output", ParameterKind::TauMem), None);

    let report = GradientCheck::new().run(&net, &input, DURATION, &objective(), &1).unwrap();
    let names: Vec<&str> = report.classes.iter().map(|c| c.name.as_str()).collect();
    let expected =
        ["input->output weight", "input->output delay.0", "input->output delay.1", "input times"];
    assert_eq!(names, expected);
}

#[test]
fn a_check_that_means_nothing_is_refused() {
    let (net, input) = network();
    let check = GradientCheck::new();
    let bad = [0.0, -1.0, f64::NAN, f64::INFINITY].map(|step| check.step(step));
    let worse = [(f64::NAN, 0.0), (1e-6, -1.0)].map(|(r, a)| check.tolerance(r, a));
    for check in bad.into_iter().chain(worse) {
        let refused = check.run(&net, &input, DURATION, &objective(), &1);
        assert!(matches!(refused, Err(eventprop::Error::Check(_))), "{refused:?}");
    }
}
