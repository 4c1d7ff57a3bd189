//! The losses of cases.

use super::{Answer, Case};
use eventprop::{
    CrossEntropy, ExpWeightedMeanVoltage, FirstSpikeTime, Loss, LossError, MaxVoltage,
    MeanSquaredError, MeanVoltage, Objective, Reading, SpikeTimeSquares, SpikeTimes, SpikeTrains,
    SpikingNetwork, TimeInvariant, VanRossum, VoltageAt,
};
use serde::Deserialize;
use std::error::Error;

/// A loss and its constants. Those that end in `_ce` are cross-entropies with the label of the case.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LossKind {
    MeanVoltageCe,
    ExpWeightedMeanVoltageCe,
    MaxVoltageCe,
    /// Of -t / tau0, t the first spike; a silent neuron reads the duration.
    TtfsCe {
        tau0: f64,
    },
    /// 1/2 sum over other neurons than the label's of (t - t_label - delta)^2 of first spikes.
    TimeInvariant {
        delta: f64,
    },
    /// 1/2 sum (t - target)^2 over (neuron, index, target) triples.
    SpikeTimeMse {
        targets: Vec<(usize, usize, f64)>,
    },
    /// 1/2 sum (t - target)^2 over the targets of each neuron, in order; a missing spike reads the duration.
    SpikeTrainSquares {
        targets: Vec<Vec<f64>>,
    },
    /// The squared van Rossum distance from the targets of each neuron.
    VanRossum {
        tau: f64,
        targets: Vec<Vec<f64>>,
    },
    /// The mean of (V - target)^2 over neurons and times; targets by neuron.
    VoltageMse {
        times: Vec<f64>,
        targets: Vec<Vec<f64>>,
    },
}

impl Case {
    pub(super) fn judge(
        &self,
        net: &SpikingNetwork,
        input: &SpikeTrains,
    ) -> Result<Answer, Box<dyn Error>> {
        let label = &self.label;
        let trains = |targets: &[Vec<f64>]| SpikeTrains::from_channels(targets.iter().cloned());
        match &self.loss {
            LossKind::MeanVoltageCe => {
                self.solve(net, input, &Objective::new(MeanVoltage, CrossEntropy::new()), label)
            }
            LossKind::ExpWeightedMeanVoltageCe => {
                let objective = Objective::new(ExpWeightedMeanVoltage, CrossEntropy::new());
                self.solve(net, input, &objective, label)
            }
            LossKind::MaxVoltageCe => {
                self.solve(net, input, &Objective::new(MaxVoltage, CrossEntropy::new()), label)
            }
            &LossKind::TtfsCe { tau0 } => {
                let objective = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(tau0));
                self.solve(net, input, &objective, label)
            }
            &LossKind::TimeInvariant { delta } => {
                let objective = Objective::new(FirstSpikeTime, TimeInvariant::new(delta));
                self.solve(net, input, &objective, label)
            }
            LossKind::SpikeTimeMse { targets } => {
                self.solve(net, input, &Objective::new(SpikeTimes, ChosenSpikes), targets)
            }
            LossKind::SpikeTrainSquares { targets } => {
                let objective = Objective::new(SpikeTimes, SpikeTimeSquares);
                self.solve(net, input, &objective, &trains(targets)?)
            }
            LossKind::VanRossum { tau, targets } => {
                let objective = Objective::new(SpikeTimes, VanRossum::new(*tau));
                self.solve(net, input, &objective, &trains(targets)?)
            }
            LossKind::VoltageMse { times, targets } => {
                let readout = VoltageAt::new(times.iter().copied());
                let objective = Objective::new(readout, MeanSquaredError);
                self.solve(net, input, &objective, &targets.concat())
            }
        }
    }
}

/// See [`LossKind::SpikeTimeMse`]; a missing spike reads the duration.
struct ChosenSpikes;

impl Loss<f64> for ChosenSpikes {
    type Target = [(usize, usize, f64)];

    fn evaluate(
        &self,
        y: &Reading,
        target: &[(usize, usize, f64)],
        gradient: &mut [f64],
    ) -> Result<f64, LossError> {
        gradient.fill(0.0);
        let mut sum = 0.0;
        for &(neuron, index, wanted) in target {
            let missing = || LossError::Other(format!("there is no neuron {neuron}"));
            let train = y.rows().nth(neuron).ok_or_else(missing)?;
            let before: usize = y.rows().take(neuron).map(<[f64]>::len).sum();
            let miss = train.get(index).copied().unwrap_or(y.duration()) - wanted;
            if index < train.len() {
                gradient[before + index] += miss;
            }
            sum += miss * miss / 2.0;
        }
        Ok(sum)
    }
}
