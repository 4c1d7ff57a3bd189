//! Gradient clipping.

use super::{RemedyError, check};
use crate::{Gradients, Health, ParameterKind, Real};

/// Clips gradients of one kind of parameter, over all of the network.
///
/// In a batch it acts on the mean gradient. A gradient that is not finite is left as it is, for the
/// optimiser to refuse.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GradientClip {
    kind: ParameterKind,
    limit: f64,
    by_norm: bool,
}

impl GradientClip {
    /// Brings every gradient of this kind into [-limit, limit].
    pub fn value(kind: ParameterKind, limit: f64) -> Self {
        Self { kind, limit, by_norm: false }
    }

    /// Scales all gradients of this kind together so that their Euclidean norm is at most `limit`.
    pub fn norm(kind: ParameterKind, limit: f64) -> Self {
        Self { kind, limit, by_norm: true }
    }

    pub(super) fn check<F: Real>(&self) -> Result<(), RemedyError> {
        check::<F>("the limit of gradients", self.limit, |l| l > 0.0, "finite and above 0")
    }

    /// Clips, and counts in `health` the gradients that changed.
    ///
    /// # Errors
    /// A limit that has no meaning.
    pub fn apply<F: Real>(
        &self,
        gradients: &mut Gradients<F>,
        health: &mut Health<F>,
    ) -> Result<(), RemedyError> {
        self.check::<F>()?;
        let limit = F::of(self.limit);
        if !self.by_norm {
            self.for_each(gradients, |g| {
                if g.abs() > limit && g.is_finite() {
                    *g = limit * g.signum();
                    health.clipped += 1;
                }
            });
            return Ok(());
        }
        let mut largest = F::zero();
        let mut finite = true;
        self.for_each(gradients, |g| {
            finite &= g.is_finite();
            largest = largest.max(g.abs());
        });
        if !finite || largest == F::zero() {
            return Ok(());
        }
        // Relative to the largest, squares cannot overflow.
        let mut squares = F::zero();
        self.for_each(gradients, |g| squares += (*g / largest) * (*g / largest));
        let norm = squares.sqrt();
        if norm > limit / largest {
            self.for_each(gradients, |g| {
                if *g != F::zero() {
                    *g = *g / largest / norm * limit;
                    health.clipped += 1;
                }
            });
        }
        Ok(())
    }

    fn for_each<F: Real>(&self, gradients: &mut Gradients<F>, mut f: impl FnMut(&mut F)) {
        let mut start = 0;
        for block in 0..gradients.layout().len() {
            let (kind, len) = (gradients.layout()[block].kind, gradients.layout()[block].len);
            if kind == self.kind {
                gradients.values_mut()[start..start + len].iter_mut().for_each(&mut f);
            }
            start += len;
        }
    }
}
