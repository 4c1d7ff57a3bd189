//! What a read-out makes of a layer.

use crate::{LossError, Real};

/// What a read-out makes of a layer: the vector y, in rows.
///
/// There is a row for each thing that is read, most often a neuron. Most read-outs have one number per
/// row; spike trains have as many as there are spikes.
///
/// ```
/// use eventprop::Reading;
/// let mut y = Reading::new(50.0);
/// y.push(1.5);
/// y.push_row([2.0, 7.0]);
/// assert_eq!(y.values(), [1.5, 2.0, 7.0]);
/// assert_eq!(y.row(1), [2.0, 7.0]);
/// assert!(y.one_per_row().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading<F = f64> {
    values: Vec<F>,
    /// Where each row ends.
    ends: Vec<usize>,
    duration: f64,
}

impl<F: Real> Reading<F> {
    /// Without rows, of a trial of this length in ms.
    pub fn new(duration: f64) -> Self {
        Self { values: Vec::new(), ends: Vec::new(), duration }
    }

    /// Makes this what [`Reading::new`] returns, in the memory that it has.
    pub(crate) fn reset(&mut self, duration: f64) {
        self.values.clear();
        self.ends.clear();
        self.duration = duration;
    }

    /// Appends a row of one number.
    pub fn push(&mut self, value: F) {
        self.push_row([value]);
    }

    /// Appends a row.
    pub fn push_row(&mut self, row: impl IntoIterator<Item = F>) {
        self.values.extend(row);
        self.ends.push(self.values.len());
    }

    /// All numbers, row after row.
    pub fn values(&self) -> &[F] {
        &self.values
    }

    /// A row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[F] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start..self.ends[row]]
    }

    /// The rows in turn.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[F]> {
        (0..self.ends.len()).map(|row| self.row(row))
    }

    /// The length of the trial in ms.
    pub fn duration(&self) -> f64 {
        self.duration
    }

    /// All numbers, for losses that take one from each row.
    ///
    /// # Errors
    /// [`LossError::NotOnePerRow`] otherwise.
    pub fn one_per_row(&self) -> Result<&[F], LossError> {
        match self.rows().position(|row| row.len() != 1) {
            None => Ok(&self.values),
            Some(row) => Err(LossError::NotOnePerRow { row, found: self.row(row).len() }),
        }
    }
}
