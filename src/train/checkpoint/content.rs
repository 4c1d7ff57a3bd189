//! From a network and its training to a checkpoint, and back.

use super::CheckpointError;
use super::file::{Checkpoint, Tensor, Training};
use crate::train::fit::{Run, parameters, set_parameters};
use crate::{Network, Real, StorageLayout};
use std::collections::{BTreeMap, BTreeSet};

const BEST: &str = "best.";
const OPTIMIZER: &str = "optimizer.";

impl Checkpoint {
    /// The parameters of a network alone.
    pub fn new<F: Real>(network: &dyn Network<F>) -> Self {
        Self::of(network, &network.storage())
    }

    fn of<F: Real>(network: &dyn Network<F>, storage: &StorageLayout) -> Self {
        let mut tensors = BTreeMap::new();
        put(&mut tensors, storage, "", &parameters(network));
        let indices = storage.indices.iter();
        tensors.extend(indices.map(|(name, list)| (name.clone(), Tensor::of_neurons(list))));
        let (delays, fixed) = (storage.delays.clone(), storage.fixed.clone());
        Self { tensors, delays, fixed, training: None }
    }

    /// Gives a network of the same shape the parameters of the best epoch if that was tracked, else the last
    /// ones.
    ///
    /// # Errors
    /// Parameters of another network or precision, or that are not finite, delays of another kind or that may be
    /// longer than in the network, other fixed weights or delays, ranges of weights, or constants; nothing is changed then.
    pub fn restore<F: Real>(&self, network: &mut dyn Network<F>) -> Result<(), CheckpointError> {
        let storage = network.storage();
        self.check_network(&storage, false)?;
        let best = self.tensors.keys().any(|name| name.starts_with(BEST));
        let values: Vec<F> = self.take(&storage, if best { BEST } else { "" })?;
        let known = own_tensors(&storage);
        let part = |name: &str| name.starts_with(BEST) || name.starts_with(OPTIMIZER);
        self.check_known(|name| part(name) || known.contains(name))?;
        self.check_fixed(&storage)?;
        set_parameters(network, &values);
        Ok(())
    }

    /// All that a run needs to go on.
    pub(in crate::train) fn of_run<F: Real>(
        network: &dyn Network<F>,
        run: &mut Run<'_, F>,
        settings: BTreeMap<String, String>,
    ) -> Result<Self, CheckpointError> {
        let storage = network.storage();
        let Self { mut tensors, delays, fixed, .. } = Self::of(network, &storage);
        let all: usize = network.layout().iter().map(|block| block.len).sum();
        if let Some(best) = &run.best {
            put(&mut tensors, &storage, BEST, best);
        }
        let state = run.optimizer.state();
        for (name, list) in state.lists.iter().filter(|(_, list)| !list.is_empty()) {
            if list.len() != all {
                return Err(CheckpointError::Tensor {
                    name: format!("{OPTIMIZER}{name}"),
                    found: format!("has {} values", list.len()),
                    expected: format!(
                        "a list of an optimiser has one per parameter, which are {all}, or none"
                    ),
                });
            }
            put(&mut tensors, &storage, &prefix(name), list);
        }
        let bits = |series: &mut Option<f64>| series.map(f64::to_bits);
        let training = Training {
            epochs: run.history.epochs.len(),
            batches: run.batches,
            settings,
            optimizer_steps: state.steps.map(|steps| *steps),
            bumps: run.remedies.iter_mut().filter_map(|r| r.series()).map(bits).collect(),
            history: run.history.clone(),
        };
        Ok(Self { tensors, delays, fixed, training: Some(training) })
    }

    /// Brings a network and a run that has just begun to where this was made. Nothing is changed if it does not fit.
    pub(in crate::train) fn resume<F: Real>(
        &self,
        network: &mut dyn Network<F>,
        run: &mut Run<'_, F>,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), CheckpointError> {
        let training = self.training.as_ref().ok_or(CheckpointError::NoTraining)?;
        for (what, expected) in settings {
            let found = training.settings.get(what).map_or("not stored", String::as_str);
            if found != expected {
                let (what, found) = (what.clone(), found.to_owned());
                return Err(CheckpointError::Setting { what, found, expected: expected.clone() });
            }
        }
        let storage = network.storage();
        self.check_network(&storage, true)?;
        let values = self.take(&storage, "")?;
        let mut known = own_tensors(&storage);
        let mut optional = |prefix: &str| -> Result<Option<Vec<F>>, CheckpointError> {
            let names = || storage.blocks.iter().map(|(name, _)| format!("{prefix}{name}"));
            if !names().any(|name| self.tensors.contains_key(&name)) {
                return Ok(None);
            }
            known.extend(names());
            self.take(&storage, prefix).map(Some)
        };
        let best = optional(BEST)?;
        let state = run.optimizer.state();
        let names: Vec<&str> = state.lists.iter().map(|(name, _)| *name).collect();
        let lists = names.iter().map(|name| optional(&prefix(name)));
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        self.check_known(|name| known.contains(name))?;
        if training.optimizer_steps.is_some() != state.steps.is_some() {
            let what = "the steps of another kind of optimiser".to_owned();
            return Err(CheckpointError::Metadata { what });
        }
        self.check_fixed(&storage)?;
        // From here on nothing fails.
        if let (Some(steps), Some(stored)) = (state.steps, training.optimizer_steps) {
            *steps = stored;
        }
        for ((_, list), stored) in state.lists.into_iter().zip(lists) {
            *list = stored.unwrap_or_default();
        }
        let series = run.remedies.iter_mut().filter_map(|r| r.series());
        for (series, bits) in series.zip(&training.bumps) {
            *series = bits.map(f64::from_bits);
        }
        run.best = best;
        run.batches = training.batches;
        run.history = training.history.clone();
        set_parameters(network, &values);
        Ok(())
    }

    /// Refuses tensors that are not `known`.
    fn check_known(&self, known: impl Fn(&str) -> bool) -> Result<(), CheckpointError> {
        let unknown = self.tensors.keys().find(|name| !known(name));
        unknown.map_or(Ok(()), |name| {
            let expected = if name.starts_with(OPTIMIZER) {
                "this optimiser does not keep it: was it another kind before?"
            } else {
                "this network does not have it"
            };
            let (name, found) = (name.clone(), "is in the file".to_owned());
            Err(CheckpointError::Tensor { name, found, expected: expected.to_owned() })
        })
    }

    /// Refuses what has other fixed weights or delays, other ranges of weights, or other constants, or any of them too
    /// many.
    fn check_fixed(&self, storage: &StorageLayout) -> Result<(), CheckpointError> {
        let names = self.fixed.keys().chain(storage.fixed.keys());
        let mut other = names.filter(|&name| self.fixed.get(name) != storage.fixed.get(name));
        other.next().map_or(Ok(()), |name| Err(CheckpointError::Fixed { name: name.clone() }))
    }

    /// Refuses what has other synapses or delays. Unless they must be the `same`, delays may be longer in the network.
    fn check_network(&self, storage: &StorageLayout, same: bool) -> Result<(), CheckpointError> {
        for (name, kind) in &storage.delays {
            match self.delays.get(name) {
                Some(found) if found != kind && (same || !found.fits(kind)) => {
                    return Err(CheckpointError::Tensor {
                        name: name.clone(),
                        found: format!("holds {found}"),
                        expected: format!("this network has {kind}"),
                    });
                }
                // Without an entry the tensor is missing too, or is of synapses that do not tell.
                _ => {}
            }
        }
        for (name, list) in &storage.indices {
            let found = match self.tensors.get(name) {
                Some(tensor) if *tensor == Tensor::of_neurons(list) => continue,
                Some(_) => "lists other neurons",
                None => "is missing",
            };
            return Err(CheckpointError::Tensor {
                name: name.clone(),
                found: found.to_owned(),
                expected: "this network has sparse synapses between others: was it built with another seed, or rewired in between?".to_owned(),
            });
        }
        Ok(())
    }

    /// All values whose names have this prefix, block after block.
    fn take<F: Real>(
        &self,
        storage: &StorageLayout,
        prefix: &str,
    ) -> Result<Vec<F>, CheckpointError> {
        let mut values = Vec::new();
        for (name, shape) in &storage.blocks {
            let name = format!("{prefix}{name}");
            let tensor = self.tensors.get(&name).ok_or_else(|| CheckpointError::Tensor {
                name: name.clone(),
                found: "is missing".to_owned(),
                expected: format!("this network has it, of shape {shape:?}"),
            })?;
            values.extend(tensor.values::<F>(&name, shape)?);
        }
        Ok(values)
    }
}

/// The tensors of a network.
fn own_tensors(storage: &StorageLayout) -> BTreeSet<String> {
    let blocks = storage.blocks.iter().map(|(name, _)| name);
    blocks.chain(storage.indices.iter().map(|(name, _)| name)).cloned().collect()
}

fn prefix(list: &str) -> String {
    format!("{OPTIMIZER}{list}.")
}

/// Adds all values, cut into blocks.
fn put<F: Real>(
    tensors: &mut BTreeMap<String, Tensor>,
    storage: &StorageLayout,
    prefix: &str,
    values: &[F],
) {
    let mut rest = values;
    for (name, shape) in &storage.blocks {
        let (block, others) = rest.split_at(shape.iter().product::<usize>().min(rest.len()));
        tensors.insert(format!("{prefix}{name}"), Tensor::of(block, shape.clone()));
        rest = others;
    }
}
