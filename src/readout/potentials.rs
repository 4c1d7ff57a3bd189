//! Read-outs of the potential.

use super::{Peak, PeakKind, Reading, Readout, ReadoutError, Recording};
use crate::{LayerSensitivity, PotentialSensitivity, Real};

/// The mean potential of each neuron, y = (1/T) int_0^T V dt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeanVoltage;

/// The exponentially weighted mean potential, y = (1/T) int_0^T exp(-t/T) V dt: early evidence counts
/// more (Nowotny et al. 2022; Mészáros et al. 2025, eq. 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExpWeightedMeanVoltage;

fn read_mean<F: Real>(
    recording: &Recording<'_, F>,
    rate: F,
    y: &mut Reading<F>,
) -> Result<(), ReadoutError> {
    let duration = F::of(recording.duration());
    for neuron in 0..recording.neurons() {
        y.push(recording.integral(neuron, rate)? / duration);
    }
    Ok(())
}

fn pull_back_mean<F: Real>(
    recording: &Recording<'_, F>,
    rate: F,
    gradient: &[F],
    sensitivity: &mut LayerSensitivity<F>,
) {
    let duration = F::of(recording.duration());
    sensitivity.potentials.extend(gradient.iter().enumerate().map(|(neuron, &g)| {
        PotentialSensitivity::Integral { neuron, rate, gradient: g / duration }
    }));
}

impl<F: Real> Readout<F> for MeanVoltage {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError> {
        read_mean(recording, F::zero(), y)
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        pull_back_mean(recording, F::zero(), gradient, sensitivity);
        Ok(())
    }
}

impl<F: Real> Readout<F> for ExpWeightedMeanVoltage {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError> {
        read_mean(recording, F::of(recording.duration()).recip(), y)
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        pull_back_mean(recording, F::of(recording.duration()).recip(), gradient, sensitivity);
        Ok(())
    }
}

/// The greatest potential of each neuron over the trial, y = max_t V.
///
/// At a smooth maximum only the potential there counts (envelope theorem). At an arrival that turns
/// the potential down, the maximum also moves with the arrival. A trial starts at rest: if V never rises above 0, the maximum is
/// that of the start, and has no gradient.
///
/// Read leaky integrators by it. A neuron that fires reads its threshold, however often it does, without a gradient
/// (unless its threshold moves).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaxVoltage;

impl<F: Real> Readout<F> for MaxVoltage {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError> {
        for neuron in 0..recording.neurons() {
            y.push(recording.peak(neuron)?.value);
        }
        Ok(())
    }

    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        for (neuron, &gradient) in gradient.iter().enumerate() {
            let Peak { time, kind, .. } = recording.peak(neuron)?;
            sensitivity.potentials.extend(match kind {
                // The potential at rest does not depend on anything, nor does a plain threshold.
                PeakKind::Rest => None,
                PeakKind::Spike if !recording.threshold_moves() => None,
                PeakKind::Smooth => Some(PotentialSensitivity::At { neuron, time, gradient }),
                PeakKind::Arrival | PeakKind::Spike => {
                    Some(PotentialSensitivity::AtArrival { neuron, time, gradient })
                }
            });
        }
        Ok(())
    }
}

/// The potential of each neuron at given times: a row per neuron, a number per time.
///
/// With [`MeanSquaredError`](crate::MeanSquaredError) it makes a regression; its target has the values at
/// all times of neuron 0, then of neuron 1, and so on. What is read is V just
/// before anything that happens at that time: before the reset of the neuron's own spike, and before an
/// arrival, whose gradient is then the one-sided one.
///
/// ```
/// use eventprop::{MeanSquaredError, Objective, VoltageAt};
/// let objective = Objective::new(VoltageAt::new([10.0, 20.0, 30.0]), MeanSquaredError); // ms
/// # let _ = objective;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct VoltageAt {
    times: Vec<f64>,
}

impl VoltageAt {
    /// At these times in ms, in any order; each within the trial, [0, T].
    pub fn new(times: impl IntoIterator<Item = f64>) -> Self {
        Self { times: times.into_iter().collect() }
    }
}

impl<F: Real> Readout<F> for VoltageAt {
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError> {
        let duration = recording.duration();
        let outside = |time: &f64| !(0.0..=duration).contains(time);
        if let Some(index) = self.times.iter().position(outside) {
            return Err(ReadoutError::Time { index, time: self.times[index], duration });
        }
        if self.times.is_empty() {
            return Err(ReadoutError::NoTimes);
        }
        for neuron in 0..recording.neurons() {
            let mut failed = None;
            y.push_row(self.times.iter().map_while(|&time| {
                recording.potential(neuron, time).map_err(|e| failed = Some(e)).ok()
            }));
            failed.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    fn pull_back(
        &self,
        _: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError> {
        if self.times.is_empty() {
            return Err(ReadoutError::NoTimes);
        }
        for (neuron, row) in gradient.chunks(self.times.len()).enumerate() {
            sensitivity.potentials.extend(
                self.times.iter().zip(row).map(|(&time, &gradient)| PotentialSensitivity::At {
                    neuron,
                    time,
                    gradient,
                }),
            );
        }
        Ok(())
    }
}
