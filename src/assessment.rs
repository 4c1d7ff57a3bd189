//! What comes of the judgement of a trace.

use crate::loss::check_constant;
use crate::{Error, Goal, Loss, LossError, Network, Reading, Readout, Real, Sensitivity, Trace};

/// The value of an objective on one trace.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Evaluation<F = f64> {
    /// The loss: the weighted sum over the parts of the objective.
    pub loss: F,
    /// The loss of each part, without its weight.
    pub losses: Vec<F>,
    /// The read-out y, row after row; of several parts, one after the other.
    pub readout: Vec<F>,
    /// The class that y stands for; of several parts, that of the first which classifies. None if its y tells none. A
    /// [`Goal`] of your own that classifies sets it, unless it is set.
    pub prediction: Option<usize>,
}

/// What a [`Goal`] makes of a trace. Its memory can be used again.
#[derive(Debug, Clone, Default)]
pub struct Assessment<F = f64> {
    /// The loss so far.
    pub evaluation: Evaluation<F>,
    /// How it depends on the trace, if that is wanted.
    pub sensitivity: Sensitivity<F>,
    /// Whether it is.
    pub differentiate: bool,
    /// Whether a part that classifies has been asked for the prediction.
    decided: bool,
    reading: Reading<F>,
    /// dL/dy.
    gradient: Vec<F>,
}

impl<F: Real> Assessment<F> {
    /// Evaluates a trace, in memory that is there.
    ///
    /// # Errors
    /// See [`Goal::assess`].
    pub fn judge<T: ?Sized + Sync>(
        &mut self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        goal: &dyn Goal<F, Target = T>,
        target: &T,
    ) -> Result<(), Error> {
        self.begin(None);
        goal.assess(network, trace, target, self)?;
        self.check()
    }

    /// Evaluates a trace, and finds the sensitivity of the loss, for
    /// [`Network::adjoint_into`](crate::Network::adjoint_into).
    ///
    /// # Errors
    /// See [`Goal::assess`].
    pub fn differentiate<T: ?Sized + Sync>(
        &mut self,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        goal: &dyn Goal<F, Target = T>,
        target: &T,
    ) -> Result<(), Error> {
        self.begin(Some(trace));
        goal.assess(network, trace, target, self)?;
        self.check()
    }

    /// Forgets the last evaluation; with a trace its sensitivity is wanted too.
    pub(crate) fn begin(&mut self, differentiate: Option<&Trace<F>>) {
        (self.differentiate, self.decided) = (differentiate.is_some(), false);
        if let Some(trace) = differentiate {
            self.sensitivity.reset(trace);
        }
        let Evaluation { loss, losses, readout, prediction } = &mut self.evaluation;
        (*loss, *prediction) = (F::zero(), None);
        losses.clear();
        readout.clear();
    }

    /// Whether a part says that it classifies, there is a prediction, or no loss was asked.
    pub(crate) fn classifies(&self) -> bool {
        let Evaluation { prediction, losses, .. } = &self.evaluation;
        self.decided || prediction.is_some() || losses.is_empty()
    }

    /// Refuses a loss that is no number, whoever computed it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let loss = self.evaluation.loss;
        if loss.is_finite() {
            Ok(())
        } else {
            Err(LossError::NotFinite { loss: loss.as_f64() }.into())
        }
    }

    /// Reads a layer and adds the loss with its weight.
    pub(crate) fn add<T: ?Sized + Sync>(
        &mut self,
        (readout, loss): (&dyn Readout<F>, &dyn Loss<F, Target = T>),
        (layer, weight): (usize, f64),
        network: &dyn Network<F>,
        trace: &Trace<F>,
        target: &T,
    ) -> Result<(), Error> {
        check_constant::<F>("the weight of the objective", weight, |_| true, "finite")?;
        let Assessment { evaluation, sensitivity, differentiate, decided, reading, gradient } =
            self;
        let recording = network.record(trace, layer)?;
        reading.reset(trace.duration());
        readout.read(&recording, reading)?;
        gradient.clear();
        gradient.resize(reading.values().len(), F::zero());
        let value = loss.evaluate(reading, target, gradient)?;
        let weight = F::of(weight);
        gradient.iter_mut().for_each(|g| *g *= weight);
        evaluation.loss += weight * value;
        if !evaluation.loss.is_finite() {
            return Err(LossError::NotFinite { loss: value.as_f64() }.into());
        }
        if let Some(index) = gradient.iter().position(|g| !g.is_finite()) {
            let (loss, value) = (value.as_f64(), gradient[index].as_f64());
            return Err(LossError::Gradient { loss, index, value }.into());
        }
        evaluation.losses.push(value);
        evaluation.readout.extend_from_slice(reading.values());
        if !*decided && evaluation.prediction.is_none() {
            evaluation.prediction = loss.predict(reading);
            *decided = loss.classifies();
        }
        if *differentiate {
            readout.pull_back(&recording, gradient, &mut sensitivity.layers[layer])?;
        }
        Ok(())
    }
}
