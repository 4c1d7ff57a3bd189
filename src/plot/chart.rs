//! Lines in panels.

use super::scale::{Scale, extent};
use super::style::{
    Area, GREY, Legend, Mark, TEXT, axes, note, pale, picture, series_colour, title,
};
use super::{Picture, PlotError};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::ops::Range;

/// An axis of a [`Panel`]. Its range is that of the values, unless one is given.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Axis {
    name: String,
    logarithmic: bool,
    range: Option<Range<f64>>,
}

impl Axis {
    /// With equal steps; the name should end with the unit.
    pub fn linear(name: impl Into<String>) -> Self {
        Self { name: name.into(), logarithmic: false, range: None }
    }

    /// With equal ratios. What is not above 0 is drawn a bit below the smallest value that is.
    pub fn log(name: impl Into<String>) -> Self {
        Self { name: name.into(), logarithmic: true, range: None }
    }

    /// From here to there, in the units of the values.
    pub fn range(self, range: Range<f64>) -> Self {
        Self { range: Some(range), ..self }
    }

    /// The scale that fits these values, and what turns a value into a place on it.
    fn scale(&self, values: &[f64], ticks: f64) -> (Scale, impl Fn(f64) -> f64 + use<>) {
        let given = self.range.clone().map(|r| [r.start, r.end]);
        let values = given.as_ref().map_or(values, |r| r.as_slice());
        let positive = extent(values.iter().copied().filter(|v| *v > 0.0));
        let floor = positive.map_or(1.0, |(low, _)| low) / 1.5;
        let logarithmic = self.logarithmic;
        let place = move |v: f64| match logarithmic {
            true if v.is_finite() => v.max(floor).log10(),
            _ => v,
        };
        let scale = if logarithmic {
            Scale::log10(&self.name, values.iter().map(|v| place(*v)))
        } else {
            let (low, high) = extent(values.iter().copied()).unwrap_or((0.0, 1.0));
            Scale::linear(&self.name, low..high, ticks)
        };
        (scale, place)
    }
}

/// A line through points.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    colour: Option<usize>,
    pale: bool,
    grey: bool,
    dots: bool,
}

impl Line {
    /// Through these points (x, y), in this order. A point that is not finite leaves a gap. Lines of one name
    /// share an entry of the legend; those without a name have none.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().collect();
        Self { name: name.into(), points, colour: None, pale: false, grey: false, dots: false }
    }

    /// Through these points instead.
    pub fn points(self, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { points: points.into_iter().collect(), ..self }
    }

    /// In the colour of this number; without, lines of a panel are numbered in order.
    pub fn colour(self, colour: usize) -> Self {
        Self { colour: Some(colour), ..self }
    }

    /// Thinner and in a paler shade: for what matters less.
    pub fn pale(self) -> Self {
        Self { pale: true, ..self }
    }

    /// In grey: for what others are compared with.
    pub fn grey(self) -> Self {
        Self { grey: true, ..self }
    }

    /// With a dot at each point.
    pub fn dots(self) -> Self {
        Self { dots: true, ..self }
    }

    fn ink(&self, number: usize) -> RGBColor {
        let ink = if self.grey { GREY } else { series_colour(self.colour.unwrap_or(number)) };
        if self.pale { pale(ink, 0.5) } else { ink }
    }

    fn width(&self) -> u32 {
        if self.pale { 3 } else { 4 }
    }
}

/// Axes with lines.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Panel {
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
}

impl Panel {
    /// Without lines yet.
    pub fn new(x: Axis, y: Axis) -> Self {
        Self { x, y, lines: Vec::new() }
    }

    /// One more line.
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    fn draw(&self, area: &Area<'_>) -> Result<(), PlotError> {
        let points = || self.lines.iter().flat_map(|l| &l.points);
        let finite = |p: &&(f64, f64)| p.0.is_finite() && p.1.is_finite();
        let (xs, ys): (Vec<f64>, Vec<f64>) = points().filter(finite).copied().unzip();
        let (x, place_x) = self.x.scale(&xs, 5.0);
        let (y, place_y) = self.y.scale(&ys, 5.0);
        let mut frame = axes(area, [20, 35, 80, 110], x, y, true)?;
        for (number, line) in self.lines.iter().enumerate() {
            let ink = line.ink(number);
            let place = |p: &(f64, f64)| (place_x(p.0), place_y(p.1));
            for part in line.points.split(|p| !finite(&p)).filter(|part| !part.is_empty()) {
                let path: Vec<_> = part.iter().map(place).collect();
                if line.dots || path.len() == 1 {
                    frame.draw_series(path.iter().map(|at| Circle::new(*at, 6, ink.filled())))?;
                }
                frame.draw_series([PathElement::new(path, ink.stroke_width(line.width()))])?;
            }
        }
        Ok(())
    }
}

/// Lines in one or more panels, with one legend.
///
/// ```
/// use eventprop::plot::{Axis, Chart, Line, Panel};
/// let sizes = [(64.0, 3.1), (128.0, 6.0), (256.0, 12.5)];
/// let panel = Panel::new(Axis::log("hidden neurons"), Axis::log("time per sample (ms)"));
/// let picture = Chart::new().panel(panel.line(Line::new("forward", sizes).dots())).draw()?;
/// # Ok::<(), eventprop::plot::PlotError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Chart {
    title: Option<String>,
    note: Option<String>,
    columns: Option<usize>,
    panels: Vec<Panel>,
    /// In place of the lines' names.
    entries: Vec<(Mark, RGBColor, String)>,
}

impl Chart {
    /// Without panels yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A heading.
    pub fn title(self, title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..self }
    }

    /// Small print below the heading.
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// So many panels side by side; without, at most three.
    pub fn columns(self, columns: usize) -> Self {
        Self { columns: Some(columns.max(1)), ..self }
    }

    /// One more panel, to the right of the last one or in a new row.
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// Draws it.
    ///
    /// # Errors
    /// If there is no panel. Panels without points are empty axes.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        if self.panels.is_empty() {
            return Err(PlotError::Empty { picture: "lines", what: "panel" });
        }
        let columns = self.columns.unwrap_or(3).min(self.panels.len());
        let rows = self.panels.len().div_ceil(columns);
        let (wide, high) = match columns {
            1 => (1100, 680),
            2 => (830, 640),
            3 => (640, 560),
            _ => (520, 530),
        };
        let width = wide * columns as i32;
        let legend = Legend::new(self.entries(), width - 200);
        let mut top = 20;
        let mut line = |present: bool, height| {
            top += if present { height } else { 0 };
            top - height / 2
        };
        let title_at = line(self.title.is_some(), 56);
        let note_at = line(self.note.is_some(), 46);
        let legend_at = top + 5;
        let head = legend_at + legend.height;
        picture((width, head + high * rows as i32), |root| {
            if let Some(text) = &self.title {
                title(root, text, (55, title_at))?;
            }
            if let Some(text) = &self.note {
                note(root, text, (55, note_at), HPos::Left, GREY)?;
            }
            legend.draw(root, (125 - TEXT, legend_at))?;
            let (_, body) = root.split_vertically(head);
            let areas = body.split_evenly((rows, columns));
            self.panels.iter().zip(&areas).try_for_each(|(panel, area)| panel.draw(area))
        })
    }

    /// With this legend instead of the lines' names.
    pub(super) fn legend(self, entries: Vec<(Mark, RGBColor, String)>) -> Self {
        Self { entries, ..self }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.panels.is_empty()
    }

    fn entries(&self) -> Vec<(Mark, RGBColor, String)> {
        let mut entries = self.entries.clone();
        for (number, line) in self.panels.iter().flat_map(|p| p.lines.iter().enumerate()) {
            if !line.name.is_empty() && entries.iter().all(|(_, _, name)| *name != line.name) {
                let mark = if line.dots { Mark::DottedLine } else { Mark::Line(line.width() + 2) };
                entries.push((mark, line.ink(number), line.name.clone()));
            }
        }
        entries
    }
}
