//! A population of linear neurons, by their constants.

use super::constants::{Slot, check, is_constant};
use super::{Constant, LayerError, ModeBank};
use crate::{Bounds, Parameter, ParameterKind, ParameterMut, Real};

/// The reset is kept at most at this share of the threshold, when one of them is trained.
const NEAREST_RESET: f64 = 0.99;
/// By what share of it rounding may have put it nearer: that of a logarithm in single precision.
const ROUNDING: f64 = 1e-4;

/// A population of linear neurons: their number and their constants.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Raw<F>", bound = "F: Real"))]
pub struct LinearNeurons<F = f64> {
    size: usize,
    receptors: usize,
    slots: Vec<Slot<F>>,
    /// The constants of each neuron, or of all if they are alike; they follow from the slots.
    #[cfg_attr(feature = "serde", serde(skip))]
    banks: Vec<ModeBank<F>>,
}

impl<F: Real> LinearNeurons<F> {
    /// `size` leaky integrators with tau_mem 20 ms and one receptor of 5 ms. Constants are checked when
    /// the network is built.
    pub fn new(size: usize) -> Self {
        let mut neurons = Self { size, receptors: 1, slots: Vec::new(), banks: Vec::new() };
        neurons.set(ParameterKind::TauMem, F::of(20.0));
        neurons.set(ParameterKind::TauSyn, F::of(5.0));
        neurons
    }

    /// Gives the neurons this constant. With a threshold they fire; then they have a reset, at 0 if none
    /// is given, and may have an adaptation (`AdaptationJump` and `TauAdaptation`), a threshold that rises (`ThresholdJump` and
    /// `TauThreshold`) and a refractory period. `TauSyn` is that of the first receptor; those that
    /// projections add are trainable and per neuron if it is.
    ///
    /// Weights, delays and custom kinds are no constants of these neurons, and are passed over.
    pub fn set(&mut self, kind: ParameterKind, constant: impl Into<Constant<F>>) {
        if !is_constant(kind) {
            return;
        }
        let slot = Slot::new(kind, constant.into());
        if kind == ParameterKind::TauSyn {
            self.receptors = 1;
        }
        match self.slots.iter_mut().find(|s| s.kind == kind) {
            Some(known) => *known = slot,
            None => self.slots.push(slot),
        }
        self.refresh();
    }

    /// The number of neurons.
    pub fn size(&self) -> usize {
        self.size
    }

    pub(super) fn receptors(&self) -> usize {
        self.receptors
    }

    /// Whether there is a bias, or could be one after training.
    pub(super) fn is_driven(&self) -> bool {
        let drives = |slot: &Slot<F>| slot.trainable || slot.values.iter().any(|b| *b != F::zero());
        self.slots.iter().any(|slot| slot.kind == ParameterKind::Bias && drives(slot))
    }

    /// The constants of a neuron.
    pub(crate) fn bank(&self, neuron: usize) -> &ModeBank<F> {
        &self.banks[if self.banks.len() == 1 { 0 } else { neuron }]
    }

    /// The constants of all neurons: one for each, or one if they are alike.
    pub(crate) fn banks(&self) -> &[ModeBank<F>] {
        &self.banks
    }

    /// The constants that all neurons share, if there is nothing else to them.
    pub(crate) fn common_bank(&self) -> Option<&ModeBank<F>> {
        match self.banks.as_slice() {
            [bank] if bank.is_plain() => Some(bank),
            _ => None,
        }
    }

    /// Whether the neurons fire at all.
    pub(crate) fn fire(&self) -> bool {
        self.bank(0).threshold().is_some()
    }

    /// Whether there is nothing to any of them but a membrane, receptors, a threshold and a reset.
    pub(crate) fn are_plain(&self) -> bool {
        self.banks.iter().all(ModeBank::is_plain)
    }

    /// Whether constants are parameters.
    pub(crate) fn learn(&self) -> bool {
        self.slots.iter().any(|slot| slot.trainable)
    }

    /// The constants that are no parameters: number and values of each kind, in the order of kinds.
    pub(crate) fn fixed(&self) -> impl Iterator<Item = f64> {
        let mut slots: Vec<&Slot<F>> = self.slots.iter().filter(|slot| !slot.trainable).collect();
        slots.sort_unstable_by_key(|slot| slot.kind);
        let numbers = slots.into_iter().map(|slot| {
            let name = slot.kind.name().bytes().map(f64::from);
            name.chain(slot.values.iter().map(|value| value.as_f64()))
        });
        numbers.flatten()
    }

    /// A constant of each neuron, `r` counting the receptors; one value if all are alike, `None` if the neurons
    /// have no such.
    #[cfg(feature = "nir")]
    pub(crate) fn values(&self, kind: ParameterKind, r: usize) -> Option<Vec<F>> {
        let slot = self.slots.iter().find(|slot| slot.kind == kind)?;
        let each = slot.per_receptor(self.receptors);
        Some((0..each).map(|neuron| slot.value(slot.place(self.receptors, r, neuron))).collect())
    }

    /// Works out the constants of the neurons.
    fn refresh(&mut self) {
        let Self { receptors, slots, banks, .. } = self;
        let has = |kind| slots.iter().any(|slot| slot.kind == kind);
        let zero = F::zero();
        let mut blank = ModeBank::new(zero, vec![zero; *receptors], None, zero);
        blank.threshold = has(ParameterKind::Threshold).then_some(zero);
        if has(ParameterKind::AdaptationJump) || has(ParameterKind::TauAdaptation) {
            blank.kick = Some(zero);
            blank.tau_syn.push(zero);
        }
        if has(ParameterKind::ThresholdJump) || has(ParameterKind::TauThreshold) {
            blank.raise = Some(super::bank::Raise { jump: zero, tau: zero });
        }
        blank.refractory = has(ParameterKind::Refractory).then_some(zero);
        let most = slots.iter().map(|slot| slot.per_receptor(*receptors)).max().unwrap_or(1);
        banks.clear();
        banks.extend((0..most.max(1)).map(|neuron| {
            let mut bank = blank.clone();
            for slot in slots.iter() {
                let each = if slot.kind == ParameterKind::TauSyn { *receptors } else { 1 };
                for r in 0..each {
                    if let Some(constant) = bank.constant(slot.kind, r) {
                        *constant = slot.value(slot.place(*receptors, r, neuron));
                    }
                }
            }
            bank
        }));
    }

    pub(super) fn validate(&self) -> Result<(), LayerError> {
        if self.size == 0 {
            return Err(LayerError::Empty);
        }
        for slot in &self.slots {
            let (constant, found) = (slot.kind.name(), slot.values.len());
            let each = if slot.kind == ParameterKind::TauSyn { self.receptors } else { 1 };
            if found != each && Some(found) != self.size.checked_mul(each) {
                return Err(LayerError::Count { constant, found, size: self.size });
            }
            for value in (0..found).map(|at| slot.value(at)) {
                check(slot.kind, value, slot.trainable)?;
            }
        }
        let has = |kind| self.slots.iter().any(|slot| slot.kind == kind);
        for (one, other) in [
            (ParameterKind::AdaptationJump, ParameterKind::TauAdaptation),
            (ParameterKind::ThresholdJump, ParameterKind::TauThreshold),
        ] {
            for (given, missing) in [(one, other), (other, one)] {
                if has(given) && !has(missing) {
                    let (given, missing) = (given.name(), missing.name());
                    return Err(LayerError::Missing { given, missing });
                }
            }
        }
        let trained = self.trained_gap().is_some();
        for bank in &self.banks {
            let below = |threshold: &F| {
                let near = trained && too_near(bank.reset, *threshold, ROUNDING);
                bank.reset.is_finite() && bank.reset < *threshold && !near
            };
            if let Some(threshold) = bank.threshold.filter(|threshold| !below(threshold)) {
                let (reset, threshold) = (bank.reset.as_f64(), threshold.as_f64());
                return Err(LayerError::ResetNotBelowThreshold { reset, threshold });
            }
        }
        Ok(())
    }

    /// The receptor with time constant `tau`, added if there is none; `None` asks for the first.
    pub(super) fn receptor(&mut self, tau: Option<F>) -> Result<usize, LayerError> {
        let Some(tau) = tau else { return Ok(0) };
        check(ParameterKind::TauSyn, tau, true)?;
        let receptors = self.receptors;
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.kind == ParameterKind::TauSyn)
        else {
            return Err(LayerError::FixedReceptors { tau_syn: tau.as_f64() });
        };
        let each = slot.per_receptor(receptors);
        let parameter = if slot.is_logarithm() { tau.ln() } else { tau };
        let same =
            |r: &usize| slot.values[r * each..(r + 1) * each].iter().all(|&v| v == parameter);
        if let Some(known) = (0..receptors).find(same) {
            return Ok(known);
        }
        slot.values.extend(std::iter::repeat_n(parameter, each));
        self.receptors += 1;
        self.refresh();
        Ok(receptors)
    }

    pub(super) fn parameters(&self) -> Vec<Parameter<'_, F>> {
        let trainable = self.slots.iter().filter(|slot| slot.trainable);
        trainable
            .map(|Slot { kind, values, .. }| Parameter {
                kind: *kind,
                values,
                bounds: Bounds::none(),
            })
            .collect()
    }

    pub(super) fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, F>> {
        let trainable = self.slots.iter_mut().filter(|slot| slot.trainable);
        trainable
            .map(|Slot { kind, values, .. }| ParameterMut {
                kind: *kind,
                values,
                bounds: Bounds::none(),
            })
            .collect()
    }

    /// Of reset and threshold the one that is trained, the reset if both are.
    fn trained_gap(&self) -> Option<ParameterKind> {
        let trainable = |kind| self.slots.iter().any(|s| s.kind == kind && s.trainable);
        [ParameterKind::Reset, ParameterKind::Threshold].into_iter().find(|&kind| trainable(kind))
    }

    /// Takes over changed parameters, and keeps the reset below the threshold.
    pub(super) fn update(&mut self) {
        if self.slots.iter().all(|slot| !slot.trainable) {
            return;
        }
        self.refresh();
        let Some(moved) = self.trained_gap() else { return };
        let share = F::of(NEAREST_RESET);
        let Self { slots, banks, receptors, .. } = self;
        let Some(slot) = slots.iter_mut().find(|slot| slot.kind == moved) else { return };
        for (neuron, bank) in banks.iter().enumerate() {
            let Some(threshold) = bank.threshold.filter(|t| too_near(bank.reset, *t, 0.0)) else {
                continue;
            };
            let at = slot.place(*receptors, 0, neuron);
            let Some(value) = slot.values.get_mut(at) else { return };
            *value = if moved == ParameterKind::Reset {
                value.min(share * threshold)
            } else {
                value.max((bank.reset / share).ln())
            };
        }
        self.refresh();
    }

    /// Calls `f` with each trainable constant of a neuron, the factor from a gradient by it to one by its
    /// parameter, and the place of that among the parameters of the layer.
    pub(crate) fn for_each_trainable(
        &self,
        neuron: usize,
        mut f: impl FnMut((ParameterKind, usize), F, usize),
    ) {
        let mut first = 0;
        for slot in self.slots.iter().filter(|slot| slot.trainable) {
            let each = if slot.kind == ParameterKind::TauSyn { self.receptors } else { 1 };
            for r in 0..each {
                let at = slot.place(self.receptors, r, neuron);
                let factor = if slot.is_logarithm() { slot.value(at) } else { F::one() };
                f((slot.kind, r), factor, first + at);
            }
            first += slot.values.len();
        }
    }
}

/// Whether a reset is nearer to the threshold than training lets it be, by more than a share.
fn too_near<F: Real>(reset: F, threshold: F, share: f64) -> bool {
    reset > F::of(NEAREST_RESET * (1.0 + share)) * threshold
}

#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(bound = "F: Real")]
struct Raw<F> {
    size: usize,
    receptors: usize,
    slots: Vec<Slot<F>>,
}

#[cfg(feature = "serde")]
impl<F: Real> TryFrom<Raw<F>> for LinearNeurons<F> {
    type Error = LayerError;
    fn try_from(raw: Raw<F>) -> Result<Self, LayerError> {
        let Raw { size, receptors, slots } = raw;
        if let Some(slot) = slots.iter().find(|slot| !is_constant(slot.kind)) {
            return Err(LayerError::Foreign { constant: slot.kind.name() });
        }
        if !slots.iter().any(|slot| slot.kind == ParameterKind::TauMem) {
            return Err(LayerError::NoMembrane);
        }
        let mut kinds: Vec<ParameterKind> = slots.iter().map(|slot| slot.kind).collect();
        kinds.sort_unstable();
        if let Some(pair) = kinds.windows(2).find(|w| w[0] == w[1]) {
            return Err(LayerError::Repeated { constant: pair[0].name() });
        }
        let taus = slots.iter().find(|slot| slot.kind == ParameterKind::TauSyn);
        // Before memory is asked for.
        if receptors == 0 || taus.is_none_or(|slot| slot.values.len() < receptors) {
            return Err(LayerError::NoReceptor);
        }
        let mut neurons = Self { size, receptors, slots, banks: Vec::new() };
        neurons.refresh();
        Ok(neurons)
    }
}
