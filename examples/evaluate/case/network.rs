//! From the description of a case to a network.

use super::{Case, Population, Values};
use eventprop::{
    Constant, Dense, LeakyIntegrator, Lif, NetworkBuilder, ParameterKind, Sparse, SpikingNetwork,
};
use ndarray::Array2;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use std::error::Error;

impl Case {
    pub fn network(&self) -> Result<SpikingNetwork, Box<dyn Error>> {
        let mut net = NetworkBuilder::new();
        let input = net.input("input", self.input.len());
        for (k, layer) in self.layers.iter().enumerate() {
            layer.add(&mut net, k)?;
        }
        for (k, projection) in self.projections.iter().enumerate() {
            let layer = |index: i64| {
                let known = usize::try_from(index).ok().filter(|&index| index < self.layers.len());
                known.ok_or(format!("projection {k}: there is no layer {index}"))
            };
            let from = match projection.from {
                -1 => input,
                index => layer(index)?.into(),
            };
            let to = layer(projection.to as i64)?;
            let weights = matrix(&projection.weights, k, "weights")?;
            let delays = matrix(&projection.delays, k, "delays")?;
            let mask = weights.map(Option::is_some);
            if mask != delays.map(Option::is_some) {
                let what = "weights and delays have nulls in different places";
                return Err(format!("projection {k}: {what}").into());
            }
            let values = |matrix: Array2<Option<f64>>| matrix.map(|x| x.unwrap_or(0.0));
            let mut synapses = if mask.iter().all(|&is| is) {
                Dense::weights(values(weights))
            } else {
                Sparse::mask(mask).weights(values(weights))
            }
            .delays(values(delays));
            if let Some(tau_syn) = projection.tau_syn {
                synapses = synapses.tau_syn(tau_syn);
            }
            net.connect(from, to, synapses);
        }
        Ok(net.build(&mut ChaCha8Rng::seed_from_u64(0))?)
    }
}

impl Population {
    fn add(&self, net: &mut NetworkBuilder, k: usize) -> Result<(), String> {
        let name = format!("layer{k}");
        let mut unknown = self.trainable.clone();
        let mut constant = |kind: ParameterKind, values: &Values| -> Constant {
            let before = unknown.len();
            unknown.retain(|name| *name != kind.to_string());
            let values = match values {
                Values::One(value) => (*value).into(),
                Values::Each(values) => values.clone().into(),
            };
            if unknown.len() < before { Constant::trainable(values) } else { values }
        };
        let tau_mem = constant(ParameterKind::TauMem, &self.tau_mem);
        let tau_syn = constant(ParameterKind::TauSyn, &self.tau_syn);
        let bias = self.bias.as_ref().map(|bias| constant(ParameterKind::Bias, bias));
        if let Some(threshold) = &self.threshold {
            let mut lif = Lif::new(self.size).tau_mem(tau_mem).tau_syn(tau_syn);
            lif = lif.threshold(constant(ParameterKind::Threshold, threshold));
            if let Some(reset) = &self.reset {
                lif = lif.reset(constant(ParameterKind::Reset, reset));
            }
            if let Some(bias) = bias {
                lif = lif.bias(bias);
            }
            if let Some((kick, tau)) = &self.adaptation {
                let kick = constant(ParameterKind::AdaptationJump, kick);
                lif = lif.adaptation(kick, constant(ParameterKind::TauAdaptation, tau));
            }
            if let Some((jump, tau)) = &self.adaptive_threshold {
                let jump = constant(ParameterKind::ThresholdJump, jump);
                lif = lif.adaptive_threshold(jump, constant(ParameterKind::TauThreshold, tau));
            }
            if let Some(time) = &self.refractory {
                lif = lif.refractory(constant(ParameterKind::Refractory, time));
            }
            net.layer(name, lif);
        } else {
            let given = [
                ("reset", self.reset.is_some()),
                ("adaptation", self.adaptation.is_some()),
                ("adaptive_threshold", self.adaptive_threshold.is_some()),
                ("refractory", self.refractory.is_some()),
            ];
            if let Some((what, _)) = given.iter().find(|(_, given)| *given) {
                return Err(format!("layer {k} has no threshold, so it cannot have `{what}`"));
            }
            let mut integrator = LeakyIntegrator::new(self.size).tau_mem(tau_mem).tau_syn(tau_syn);
            if let Some(bias) = bias {
                integrator = integrator.bias(bias);
            }
            net.layer(name, integrator);
        }
        match unknown.first() {
            Some(name) => Err(format!("layer {k} has no constant `{name}` that could be trained")),
            None => Ok(()),
        }
    }
}

/// A full matrix of equally long rows.
fn matrix(rows: &[Vec<Option<f64>>], k: usize, what: &str) -> Result<Array2<Option<f64>>, String> {
    let columns = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != columns) {
        return Err(format!("projection {k}: the rows of {what} differ in length"));
    }
    Array2::from_shape_vec((rows.len(), columns), rows.concat()).map_err(|e| e.to_string())
}
