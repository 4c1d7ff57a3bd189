//! What a gradient check found.

use super::GradientCheck;
use crate::ParameterKind;
use std::fmt;

/// The result of a gradient check, by class of parameter.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct CheckReport {
    /// One per block of parameters, and one for the input times.
    pub classes: Vec<CheckClass>,
}

/// The result for one block of parameters, or for the input times.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CheckClass {
    /// What was checked, such as `input->hidden delay`.
    pub name: String,
    /// The kind of parameter; `None` for input times.
    pub kind: Option<ParameterKind>,
    /// How many gradients were compared.
    pub checked: usize,
    /// How many of these agree by the absolute tolerance alone, being zero or too small for the relative one: of them nothing
    /// was shown but that they are small.
    pub small: usize,
    /// How many were skipped: moving the parameter, however little, changed the pattern of spikes or another parameter, or the
    /// derivative is one-sided.
    pub skipped: usize,
    /// How many could not be decided, because the finite difference is not exact enough.
    pub inconclusive: usize,
    /// How many were not looked at: see [`GradientCheck::at_most`].
    pub left_out: usize,
    /// The greatest relative error among those compared, but for the small ones.
    pub worst: f64,
    /// Those that disagree.
    pub mismatches: Vec<Mismatch>,
}

/// A gradient that disagrees with its finite difference.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Mismatch {
    /// Position in the block.
    pub index: usize,
    /// The gradient of the adjoint pass.
    pub adjoint: f64,
    /// The finite difference.
    pub numeric: f64,
    /// Its estimated error.
    pub numeric_error: f64,
}

impl CheckClass {
    pub(super) fn new(name: String, kind: Option<ParameterKind>) -> Self {
        Self {
            name,
            kind,
            checked: 0,
            small: 0,
            skipped: 0,
            inconclusive: 0,
            left_out: 0,
            worst: 0.0,
            mismatches: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        check: &GradientCheck,
        index: usize,
        adjoint: f64,
        numeric: Option<(f64, f64)>,
    ) {
        let Some((numeric, numeric_error)) = numeric else {
            self.skipped += 1;
            return;
        };
        let size = adjoint.abs().max(numeric.abs());
        let allowed = check.allowed(size);
        let error = (adjoint - numeric).abs();
        // A gap many times the estimated error is a mismatch, however coarse the difference.
        let coarse = error.is_finite() && numeric_error > allowed;
        if coarse && error > allowed && error <= 10.0 * numeric_error {
            self.inconclusive += 1;
            return;
        }
        self.checked += 1;
        if !error.is_finite() || error > allowed {
            self.mismatches.push(Mismatch { index, adjoint, numeric, numeric_error });
        } else if size == 0.0 || error > check.relative * size {
            self.small += 1;
            return;
        }
        self.worst = self.worst.max(if error.is_finite() { error / size } else { f64::INFINITY });
    }
}

impl CheckReport {
    /// Whether something was checked and nothing disagreed. Gradients that are all too small to tell do not pass: scale the
    /// loss, or lower the absolute [tolerance](GradientCheck::tolerance). A class of which nothing could be compared does not
    /// count: see [`CheckReport::unchecked`].
    pub fn passed(&self) -> bool {
        self.checked() > self.small() && self.mismatches().next().is_none()
    }

    /// All that disagree, with their classes. In a test of random networks ask for none of them, as a trial whose gradients are all
    /// zero does not [pass](CheckReport::passed), and see to it that some do pass.
    pub fn mismatches(&self) -> impl Iterator<Item = (&CheckClass, &Mismatch)> {
        self.classes.iter().flat_map(|class| class.mismatches.iter().map(move |m| (class, m)))
    }

    /// The classes that were looked at, but of which no gradient could be compared: all were skipped or undecided.
    pub fn unchecked(&self) -> impl Iterator<Item = &CheckClass> {
        self.classes.iter().filter(|c| c.checked == 0 && c.skipped + c.inconclusive > 0)
    }

    /// How many gradients were compared.
    pub fn checked(&self) -> usize {
        self.classes.iter().map(|c| c.checked).sum()
    }

    /// How many of these agree by the absolute tolerance alone.
    pub fn small(&self) -> usize {
        self.classes.iter().map(|c| c.small).sum()
    }

    /// How many were skipped: moving the parameter, however little, changed the pattern of spikes or another parameter, or the
    /// derivative is one-sided.
    pub fn skipped(&self) -> usize {
        self.classes.iter().map(|c| c.skipped).sum()
    }

    /// How many could not be decided.
    pub fn inconclusive(&self) -> usize {
        self.classes.iter().map(|c| c.inconclusive).sum()
    }

    /// How many were not looked at: see [`GradientCheck::at_most`].
    pub fn left_out(&self) -> usize {
        self.classes.iter().map(|c| c.left_out).sum()
    }
}

/// Mismatches of a class that are shown in full.
const SHOWN: usize = 3;

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.classes.iter().map(|c| c.name.len()).max().unwrap_or(0);
        writeln!(
            f,
            "{:width$}  checked  small  skipped  inconclusive  mismatches  worst relative error",
            ""
        )?;
        for c in &self.classes {
            writeln!(
                f,
                "{:width$}  {:7}  {:5}  {:7}  {:12}  {:10}  {:.1e}",
                c.name,
                c.checked,
                c.small,
                c.skipped,
                c.inconclusive,
                c.mismatches.len(),
                c.worst
            )?;
        }
        if self.checked() > 0 && self.checked() == self.small() {
            writeln!(
                f,
                "all gradients are zero or too small to tell: scale the loss, lower the absolute tolerance, or take a sample that the loss depends on"
            )?;
        }
        for class in self.unchecked() {
            writeln!(f, "nothing of {} could be compared", class.name)?;
        }
        if self.left_out() > 0 {
            writeln!(f, "{} more were not looked at", self.left_out())?;
        }
        for c in &self.classes {
            for m in c.mismatches.iter().take(SHOWN) {
                writeln!(
                    f,
                    "{}[{}]: adjoint {:e}, difference {:e} +- {:.1e}",
                    c.name, m.index, m.adjoint, m.numeric, m.numeric_error
                )?;
            }
            if c.mismatches.len() > SHOWN {
                writeln!(f, "{}: and {} more", c.name, c.mismatches.len() - SHOWN)?;
            }
        }
        write!(f, "{}", if self.passed() { "passed" } else { "FAILED" })
    }
}
