//! Targets and read-outs that do not fit are refused by name.

use crate::losses::{
    DURATION, Wanted, classify, follow, imitate, input, network, parts, trace, trains, wanted,
};
use eventprop::{
    CrossEntropy, Engine, Error, Goal, Loss, LossError, MeanSquaredError, MeanVoltage, Network,
    Objective, Reading, Readout, ReadoutError, Recording, Sample, SpikeCount, SpikeTimes,
    SpikeTrains, VanRossum, VoltageAt, backward_batch,
};

/// What is said of an objective that does not fit.
fn refused<G: Goal<f64>>(goal: &G, target: &G::Target) -> Error {
    let net = network(Engine::Fast);
    let error = net.backward(&trace(&net), goal, target).unwrap_err();
    // As text, since NaN is not NaN.
    let again = net.evaluate(&trace(&net), goal, target).unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
    error
}

fn says(error: &Error, words: &[&str]) {
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "`{message}` lacks `{word}`");
    }
}

#[test]
fn targets_that_do_not_fit() {
    let error = refused(&follow(), &[0.0; 3]);
    assert_eq!(error, LossError::TargetLength { found: 3, expected: 2 }.into());
    let error = refused(&follow(), &[0.0, f64::NAN]);
    says(&error, &["target value 1", "NaN", "finite"]);
    let error = refused(&imitate(), &trains(&[&[1.0]]));
    says(&error, &["1 spike trains", "2 neurons"]);
    let error = refused(&imitate(), &trains(&[&[1.0], &[3.0, DURATION]]));
    says(&error, &["target spike 1 of neuron 1", "50 ms", "before the end"]);
    let error = refused(&classify(), &2);
    says(&error, &["label 2", "2 values"]);
    // The part is named.
    let error = refused(&parts(), &Wanted { trains: SpikeTrains::silent(5), ..wanted() });
    assert!(matches!(&error, Error::Part { index: 2, .. }));
    says(&error, &["part 2", "5 spike trains"]);
    let error = refused(&parts(), &Wanted { curve: vec![], ..wanted() });
    says(&error, &["part 0", "0 values"]);
    // And the sample.
    let (net, input, bad) = (network(Engine::Fast), input(), Wanted { label: 9, ..wanted() });
    let samples =
        [Sample { input: &input, target: &wanted() }, Sample { input: &input, target: &bad }];
    let error = backward_batch(&net, &samples, DURATION, &parts()).unwrap_err();
    says(&error, &["sample 1", "part 1", "label 9"]);
}

#[test]
fn readouts_that_do_not_fit() {
    for time in [-1.0, 50.1, f64::NAN, f64::INFINITY] {
        let objective = Objective::new(VoltageAt::new([1.0, time]), MeanSquaredError);
        let error = refused(&objective, &[0.0; 4]);
        assert!(matches!(&error, Error::Readout(ReadoutError::Time { index: 1, .. })));
        says(&error, &["time 1", "[0, 50] ms"]);
    }
    let error = refused(&Objective::new(VoltageAt::new([]), MeanSquaredError), &[]);
    assert_eq!(error, ReadoutError::NoTimes.into());
    let (net, none) = (network(Engine::Plain), VoltageAt::new([]));
    let trace = net.forward(&input(), 50.0).unwrap();
    let recording = net.record(&trace, 0).unwrap();
    let error = none.pull_back(&recording, &[], &mut eventprop::LayerSensitivity::default());
    assert_eq!(error, Err(ReadoutError::NoTimes));
    let error = refused(&Objective::new(SpikeTimes, MeanSquaredError), &[]);
    assert_eq!(error, ReadoutError::NeverFires { layer: "output".to_owned() }.into());
    says(&error, &["layer `output`", "never fire", "potential"]);
    let error = refused(&Objective::new(VoltageAt::new([1.0, 2.0]), CrossEntropy::new()), &0);
    says(&error, &["one number per neuron", "row 0", "has 2"]);
    let error = refused(
        &Objective::new(VoltageAt::new([9.0, 8.0]), VanRossum::new(1.0)),
        &trains(&[&[], &[]]),
    );
    assert!(matches!(error, Error::Loss(LossError::NotSpikeTimes { .. })));
    let error = refused(&imitate().on_layer(2), &SpikeTrains::silent(2));
    says(&error, &["layer 2", "network has 2"]);
    for bad in [f64::NAN, f64::INFINITY] {
        says(&refused(&follow().weight(bad), &[0.0; 2]), &["weight", "finite"]);
        let counts = SpikeCount::new().voltage_heuristic(bad);
        let counts = Objective::new(counts, MeanSquaredError).on_layer(0);
        says(&refused(&counts, &[0.0; 2]), &["gain", "finite"]);
        says(
            &refused(
                &Objective::new(SpikeTimes, VanRossum::new(bad)).on_layer(0),
                &SpikeTrains::silent(2),
            ),
            &["tau", "above 0"],
        );
    }
    let overflow = refused(&follow().weight(1e300), &[1e10, 0.0]);
    assert!(matches!(overflow, Error::Loss(LossError::NotFinite { .. })));
    let steep = refused(&Objective::new(MeanVoltage, Steep), &());
    says(&steep, &["the loss is 1, but its gradient by value 1 of the read-out is NaN"]);
}

/// A loss from outside with a gradient that is not a number.
struct Steep;

impl Loss<f64> for Steep {
    type Target = ();

    fn evaluate(&self, _: &Reading, (): &(), gradient: &mut [f64]) -> Result<f64, LossError> {
        gradient[1] = f64::NAN;
        Ok(1.0)
    }
}

/// A read-out from outside that asks for what is not there.
struct Beyond(usize, f64);

impl Readout<f64> for Beyond {
    fn read(&self, recording: &Recording<'_>, y: &mut Reading) -> Result<(), ReadoutError> {
        y.push(recording.potential(self.0, self.1)?);
        y.push(recording.peak(self.0)?.value);
        y.push(recording.integral(self.0, 0.0)?);
        Ok(())
    }

    fn pull_back(
        &self,
        _: &Recording<'_>,
        _: &[f64],
        _: &mut eventprop::LayerSensitivity,
    ) -> Result<(), ReadoutError> {
        Err(ReadoutError::Other("this one cannot be differentiated".into()))
    }
}

#[test]
fn readouts_from_outside_get_errors_and_no_panics() {
    let objective = |neuron, time| Objective::new(Beyond(neuron, time), CrossEntropy::new());
    says(&refused(&objective(2, 1.0), &0), &["neuron 2", "`output`", "has 2"]);
    says(&refused(&objective(0, -1.0), &0), &["-1 ms", "[0, 50] ms"]);
    let net = network(Engine::Fast);
    let error = net.backward(&trace(&net), &objective(0, 1.0), &0).unwrap_err();
    says(&error, &["cannot be differentiated"]);
}
