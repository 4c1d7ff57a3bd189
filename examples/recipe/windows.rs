//! A read-out that tells early evidence from late.

use eventprop::{
    LayerSensitivity, PotentialSensitivity, Reading, Readout, ReadoutError, Recording,
};

/// Several output neurons per class, each with a time of its own for which its potential counts:
/// y = sum over them of (1/window) int_0^T exp(-t/window) V dt. So a spike may be for a class when it is early and against
/// it when it is late.
#[derive(Debug, Clone, Copy)]
pub struct Windows(pub &'static [f64]);

impl Readout<f64> for Windows {
    fn read(&self, recording: &Recording<'_>, y: &mut Reading) -> Result<(), ReadoutError> {
        let windows = self.0.len();
        for class in 0..recording.neurons() / windows {
            let mut sum = 0.0;
            for (k, window) in self.0.iter().enumerate() {
                sum += recording.integral(class * windows + k, window.recip())? / window;
            }
            y.push(sum);
        }
        Ok(())
    }

    fn pull_back(
        &self,
        _: &Recording<'_>,
        gradient: &[f64],
        sensitivity: &mut LayerSensitivity,
    ) -> Result<(), ReadoutError> {
        for (class, &slope) in gradient.iter().enumerate() {
            let parts = self.0.iter().enumerate().map(|(k, window)| {
                let (neuron, rate) = (class * self.0.len() + k, window.recip());
                PotentialSensitivity::Integral { neuron, rate, gradient: slope * rate }
            });
            sensitivity.potentials.extend(parts);
        }
        Ok(())
    }
}
