//! Networks as plain data, for serde.

use super::builder::assemble;
use super::spiking::{NamedLayer, Origin, Projection, SpikingNetwork};
use crate::layer::StoredLayer;
use crate::synapse::Synapses;
use crate::{Network, Real};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

#[derive(Serialize, Deserialize)]
struct Stored<F> {
    inputs: Vec<(String, usize)>,
    #[serde(bound(serialize = "F: Real", deserialize = "F: Real + Deserialize<'de>"))]
    layers: Vec<(String, StoredLayer<F>)>,
    #[serde(bound(deserialize = "F: Real + Deserialize<'de>"))]
    projections: Vec<StoredProjection<F>>,
    max_spikes: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct StoredProjection<F> {
    name: String,
    origin: Origin,
    target: usize,
    receptor: usize,
    #[serde(bound(deserialize = "F: Real + Deserialize<'de>"))]
    synapses: Synapses<F>,
}

impl<F: Real + Serialize> Serialize for SpikingNetwork<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let foreign = |what: &str, name: &str| {
            ser::Error::custom(format!(
                "{what} `{name}` is of a type from outside the crate and cannot be stored with the network"
            ))
        };
        let layers = self
            .layers
            .iter()
            .map(|l| {
                Ok((l.name.clone(), l.layer.to_stored().ok_or_else(|| foreign("layer", &l.name))?))
            })
            .collect::<Result<_, S::Error>>()?;
        let projections = self
            .projections
            .iter()
            .map(|p| {
                let synapses =
                    p.synapses.to_stored().ok_or_else(|| foreign("projection", &p.name))?;
                let Projection { ref name, origin, target, receptor, .. } = *p;
                Ok(StoredProjection { name: name.clone(), origin, target, receptor, synapses })
            })
            .collect::<Result<_, S::Error>>()?;
        // Formats may hold no such number, and then tell so only when the network is read.
        for (owner, parameter) in self.parameters() {
            if let Some(value) = parameter.values.iter().find(|value| !value.is_finite()) {
                let kind = parameter.kind;
                return Err(ser::Error::custom(format!(
                    "a {kind} of `{owner}` is {value}, but must be finite"
                )));
            }
        }
        let inputs = self.inputs.clone();
        Stored { inputs, layers, projections, max_spikes: self.max_spikes }.serialize(serializer)
    }
}

impl<'de, F: Real + Deserialize<'de>> Deserialize<'de> for SpikingNetwork<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { inputs, layers, projections, max_spikes } = Stored::deserialize(deserializer)?;
        let layers: Vec<NamedLayer<F>> = layers
            .into_iter()
            .map(|(name, layer)| NamedLayer { name, layer: layer.into_layer() })
            .collect();
        for p in &projections {
            let receptors = layers.get(p.target).map_or(0, |l| l.layer.receptors());
            if p.receptor >= receptors {
                return Err(de::Error::custom(format!(
                    "projection `{}` leads to receptor {}, but its target has {receptors}",
                    p.name, p.receptor
                )));
            }
        }
        let projections = projections
            .into_iter()
            .map(|p| {
                let StoredProjection { name, origin, target, receptor, synapses } = p;
                Projection { name, origin, target, receptor, synapses: Box::new(synapses) }
            })
            .collect();
        assemble(inputs, layers, projections, max_spikes).map_err(de::Error::custom)
    }
}
