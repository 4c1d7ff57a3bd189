//! Goals from outside of the crate: which of them predicts, and what they may not do.

use crate::outside::{membranes, pulses};
use eventprop::remedy::{SlopeLimiter, SpikeCountRegularizer};
use eventprop::{
    AdjointError, Assessment, BackwardOptions, Combined, CrossEntropy, Dense, Error, Goal, Lif,
    LossError, Network, NetworkBuilder, Objective, Sample, Sensitivity, Targeted, Trace, VoltageAt,
    backward_batch, backward_batch_with, evaluate_batch,
};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// A goal that says what it is told to.
struct Says {
    loss: f64,
    prediction: Option<usize>,
}

impl Goal<f64> for Says {
    type Target = usize;
    fn assess(
        &self,
        _: &dyn Network<f64>,
        _: &Trace<f64>,
        _: &usize,
        assessment: &mut Assessment<f64>,
    ) -> Result<(), Error> {
        assessment.evaluation.loss += self.loss;
        assessment.evaluation.losses.push(self.loss);
        assessment.evaluation.prediction = assessment.evaluation.prediction.or(self.prediction);
        Ok(())
    }
}

/// A goal that takes what it should only add to.
struct Takes(fn(&mut Sensitivity));

impl Goal<f64> for Takes {
    type Target = usize;
    fn assess(
        &self,
        _: &dyn Network<f64>,
        _: &Trace<f64>,
        _: &usize,
        assessment: &mut Assessment<f64>,
    ) -> Result<(), Error> {
        (self.0)(&mut assessment.sensitivity);
        Ok(())
    }
}

#[test]
fn a_sensitivity_that_does_not_fit_is_refused_with_remedies_too() {
    let mut net = NetworkBuilder::new();
    let input = net.input("input", 1);
    let layer = net.layer("layer", Lif::new(1));
    net.connect(input, layer, Dense::weights(9.0));
    let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let (spikes, target) = (pulses(), 0);
    let samples = [Sample { input: &spikes, target: &target }];
    let options = BackwardOptions::new()
        .limit_slopes(SlopeLimiter::Absolute(0.1))
        .regularize(SpikeCountRegularizer::new(0).upper(0.5, 0.1));
    let takes: [fn(&mut Sensitivity); 5] = [
        |s| s.layers[0].slope_floor = -1.0,
        |s| s.layers.clear(),
        |s| s.layers.push(s.layers[0].clone()),
        |s| s.layers[0].spike_times.clear(),
        |s| s.layers[0].slope_floor = f64::NAN,
    ];
    for take in takes {
        let error = backward_batch_with(&net, &samples, 30.0, &Takes(take), &options).unwrap_err();
        let Error::Sample { cause, .. } = &error else { panic!("{error}") };
        assert!(matches!(**cause, Error::Adjoint(AdjointError::Sensitivity { .. })), "{error}");
    }
    assert!(backward_batch_with(&net, &samples, 30.0, &Takes(|_| {}), &options).is_ok());
}

#[test]
fn the_first_goal_that_predicts_decides() {
    let net = membranes(10.0, 0.7);
    let trace = net.forward(&pulses(), 30.0).unwrap();
    let classify = || Objective::new(VoltageAt::new([8.0]), CrossEntropy::new());
    let says = |prediction| Says { loss: 1.0, prediction };
    let judge =
        |goal: &dyn Goal<f64, Target = usize>| net.evaluate(&trace, goal, &1).unwrap().prediction;
    assert_eq!(judge(&classify()), Some(0));
    assert_eq!(judge(&Combined::new(says(Some(77)), classify())), Some(77));
    assert_eq!(judge(&Combined::new(says(None), classify())), Some(0));
    assert_eq!(judge(&classify().and(says(Some(77)))), Some(0));
    // A target of its own for a goal from outside.
    let of_pair = Targeted::new(says(Some(5)), |pair: &(usize, f64)| &pair.0);
    let evaluation = net.evaluate(&trace, &of_pair, &(1, 0.5)).unwrap();
    assert_eq!((evaluation.prediction, evaluation.loss), (Some(5), 1.0));
}

#[test]
fn a_loss_that_is_no_number_is_refused_whoever_says_so() {
    let net = membranes(10.0, 0.7);
    let input = pulses();
    let trace = net.forward(&input, 30.0).unwrap();
    let samples = [Sample { input: &input, target: &0_usize }];
    for loss in [f64::NAN, f64::INFINITY] {
        let goal = Says { loss, prediction: None };
        let errors = [
            net.evaluate(&trace, &goal, &0).unwrap_err(),
            net.backward(&trace, &goal, &0).unwrap_err(),
            backward_batch(&net, &samples, 30.0, &goal).unwrap_err(),
            evaluate_batch(&net, &samples, 30.0, &goal).unwrap_err(),
        ];
        for error in errors {
            let cause = match &error {
                Error::Sample { index: 0, cause } => cause,
                other => other,
            };
            assert!(matches!(cause, Error::Loss(LossError::NotFinite { .. })), "{error}");
        }
    }
}
