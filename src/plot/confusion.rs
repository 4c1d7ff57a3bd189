//! What classes are taken for.

use super::style::{
    BLUE, GREY, INK, SMALL, TEXT, note, pale, picture, title, upright, width, write,
};
use super::{Picture, PlotError};
use crate::train;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// A confusion matrix: how often samples of each class were read as each class.
///
/// ```
/// use eventprop::plot::Confusion;
/// let (labels, found) = ([0, 0, 1, 1], [Some(0), Some(1), Some(1), None]);
/// let picture = Confusion::of(&["yes", "no"], &labels, &found)?.draw()?;
/// # Ok::<(), eventprop::plot::PlotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Confusion {
    names: Vec<String>,
    /// By class, then by what was read; what was read as nothing that has a name comes last.
    counts: Vec<Vec<u64>>,
}

/// The most classes: a cell each for all pairs of them.
const MOST: usize = 400;

impl Confusion {
    /// From counts, such as those of [`Metrics::confusion`](train::Metrics::confusion). Readings that are no class with a
    /// name go with those that are none.
    ///
    /// # Errors
    /// If there is no class or more than 400, or one of a sample has no name.
    pub fn new<T: ToString>(names: &[T], found: &train::Confusion) -> Result<Self, PlotError> {
        let n = names.len();
        if n == 0 {
            return Err(PlotError::Empty { picture: "a confusion matrix", what: "class" });
        }
        if n > MOST {
            let (picture, what) = ("a confusion matrix", "classes");
            return Err(PlotError::TooMany { picture, what, found: n, most: MOST });
        }
        let mut counts = vec![vec![0_u64; n + 1]; n];
        for (index, (class, prediction, samples)) in found.counts().enumerate() {
            let what = "entry of the confusion matrix";
            let error = PlotError::Class { what, index, class, classes: n };
            let row = counts.get_mut(class).ok_or(error)?;
            let cell = &mut row[prediction.unwrap_or(n).min(n)];
            *cell = cell.saturating_add(samples);
        }
        Ok(Self { names: names.iter().map(T::to_string).collect(), counts })
    }

    /// From the class of each sample and what it was read as, `None` where nothing was.
    ///
    /// # Errors
    /// As [`Confusion::new`], or if the lists differ in length.
    pub fn of<T: ToString>(
        names: &[T],
        labels: &[usize],
        found: &[Option<usize>],
    ) -> Result<Self, PlotError> {
        if labels.len() != found.len() {
            let what = "readings of samples".into();
            return Err(PlotError::Count { what, found: found.len(), expected: labels.len() });
        }
        Self::new(names, &train::Confusion::new(labels, found))
    }

    /// Draws it: numbers of samples, shaded by their share of the row, and the share of each class that was read
    /// rightly.
    ///
    /// # Errors
    /// None but those of the drawing library.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        let n = self.names.len();
        let silent = self.counts.iter().any(|row| row[n] > 0);
        let columns = n + usize::from(silent);
        let cell = (1200 / n as i32).clamp(22, 110);
        let text = (cell * 2 / 5).clamp(10, SMALL);
        let mut across = self.names.clone();
        if silent {
            across.push("none".into());
        }
        let longest = across.iter().map(|name| width(name, SMALL)).max().unwrap_or(0);
        let turned = longest > cell - 8;
        let left = (longest + 25).min(400);
        let (below, right) = (if turned { left } else { 45 }, 110);
        let size = (cell * columns as i32, cell * n as i32);
        let corner = (left + 75, 110);
        let all: u64 = self.counts.iter().flatten().sum();
        let right_ones: u64 = (0..n).map(|k| self.counts[k][k]).sum();
        let wide = (corner.0 + size.0 + right).max(620);
        picture((wide, corner.1 + size.1 + below + 65), |root| {
            let head = match all {
                0 => "No samples".into(),
                _ => format!(
                    "Accuracy {:.1} % ({right_ones} of {all})",
                    100.0 * right_ones as f64 / all as f64
                ),
            };
            title(root, &head, (40, 50))?;
            let centre = |k: usize| cell * k as i32 + cell / 2;
            for (row, counts) in self.counts.iter().enumerate() {
                let (y, sum) = (corner.1 + centre(row), counts.iter().sum::<u64>());
                let half = cell / 2;
                for (column, &count) in counts.iter().take(columns).enumerate() {
                    let x = corner.0 + centre(column);
                    let share = count as f64 / sum.max(1) as f64;
                    // Rare mistakes must show: the root spreads small shares.
                    let shade = if count == 0 {
                        pale(GREY, 0.93)
                    } else {
                        pale(BLUE, 0.9 * (1.0 - share.sqrt()))
                    };
                    let area =
                        [(x - half + 1, y - half + 1), (x - half + cell - 1, y - half + cell - 1)];
                    root.draw(&Rectangle::new(area, shade.filled()))?;
                    if count > 0 {
                        let ink = if share > 0.35 { WHITE } else { INK };
                        let digits = count.to_string();
                        let text =
                            text.min(text * cell / (width(&digits, text) * 10 / 8).max(cell));
                        write(root, &digits, (x, y), text, HPos::Center, ink)?;
                    }
                }
                note(root, &self.names[row], (corner.0 - 12, y), HPos::Right, INK)?;
                if sum > 0 {
                    let share = format!("{:.0} %", 100.0 * counts[row] as f64 / sum as f64);
                    note(root, &share, (corner.0 + size.0 + 14, y), HPos::Left, GREY)?;
                }
            }
            let bottom = corner.1 + size.1;
            for (column, name) in across.iter().enumerate() {
                let x = corner.0 + centre(column);
                if turned {
                    upright(root, name, (x, bottom + 12), SMALL, HPos::Right, INK)?;
                } else {
                    note(root, name, (x, bottom + 24), HPos::Center, INK)?;
                }
            }
            let middle = (corner.0 + size.0 / 2, bottom + below + 30);
            write(root, "read as", middle, TEXT, HPos::Center, INK)?;
            upright(root, "class", (35, corner.1 + size.1 / 2), TEXT, HPos::Center, INK)
        })
    }
}
