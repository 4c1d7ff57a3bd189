//! Rasters: who fired when.

use super::scale::Scale;
use super::style::{
    BLUE, GREEN, GREY, INK, PURPLE, SMALL, TEXT, axes, class_colour, note, pale, picture, title,
    upright, width,
};
use super::{Picture, PlotError};
use crate::{Network, Real, SpikeTrains, Trace};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::collections::HashSet;

/// The spikes of one trial: a column of a [`Raster`].
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Trial<'a> {
    title: String,
    duration: f64,
    layers: Vec<(String, &'a SpikeTrains)>,
}

impl<'a> Trial<'a> {
    /// `duration` ms without layers yet.
    pub fn new(duration: f64) -> Self {
        Self { title: String::new(), duration, layers: Vec::new() }
    }

    /// A trace, its input on top, with the network's names of layers.
    pub fn of<F: Real, N: Network<F> + ?Sized>(net: &N, trace: &'a Trace<F>) -> Self {
        let mut trial = Self::new(trace.duration()).layer("input", trace.input());
        for layer in 0..trace.layers().min(net.layers()) {
            trial = trial.layer(net.layer_info(layer).0, trace.spikes(layer));
        }
        trial
    }

    /// A heading.
    pub fn title(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// Which of another trial's layers each of its own is, by their names; of the same name the first that is left.
    fn places(&self, other: &Self) -> Result<Vec<usize>, PlotError> {
        let mut left: Vec<usize> = (0..other.layers.len()).collect();
        let place = |(name, _): &(String, &SpikeTrains)| {
            let at = left.iter().position(|&k| other.layers[k].0 == *name);
            at.map(|at| left.remove(at)).ok_or_else(|| PlotError::OtherLayer { name: name.clone() })
        };
        self.layers.iter().map(place).collect()
    }

    /// One more layer below the last one.
    pub fn layer(mut self, name: impl Into<String>, spikes: &'a SpikeTrains) -> Self {
        self.layers.push((name.into(), spikes));
        self
    }
}

/// Rasters of trials side by side, their layers one below the other, the first channel on top.
///
/// ```
/// use eventprop::SpikeTrains;
/// use eventprop::plot::{Raster, Trial};
/// let spikes = SpikeTrains::from_channels([vec![1.0, 4.0], vec![2.5]])?;
/// let picture = Raster::new().trial(Trial::new(10.0).layer("input", &spikes)).draw()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Raster<'a> {
    trials: Vec<Trial<'a>>,
    /// Layer, names of its channels, and whether each has the colour of its class.
    names: Vec<(String, Vec<String>, bool)>,
}

/// Channels with names get room for them, up to so many.
const NAMED: usize = 40;

impl<'a> Raster<'a> {
    /// Without trials yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more trial, to the right of the last one.
    pub fn trial(mut self, trial: Trial<'a>) -> Self {
        self.trials.push(trial);
        self
    }

    /// Names of the channels of a layer; drawn if there are few.
    pub fn names<T: ToString>(mut self, layer: impl Into<String>, names: &[T]) -> Self {
        self.names.push((layer.into(), names.iter().map(T::to_string).collect(), false));
        self
    }

    /// Names of the classes that the neurons of a layer stand for; each gets its colour.
    pub fn classes<T: ToString>(mut self, layer: impl Into<String>, names: &[T]) -> Self {
        self.names.push((layer.into(), names.iter().map(T::to_string).collect(), true));
        self
    }

    /// Draws it, with the layers of the first trial that has the most; those of the others go by their names. Spikes that fall on
    /// one pixel are drawn once, so the size of the picture is bounded.
    ///
    /// # Errors
    /// If there is no trial, a trial without layers or with others, or a duration that is not a finite time above 0; names of a
    /// layer that no trial has, or of more or fewer channels than it has.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        let empty = |what| PlotError::Empty { picture: "a raster", what };
        // The first of several.
        let longest = self.trials.iter().rev().max_by_key(|t| t.layers.len());
        let longest = longest.ok_or_else(|| empty("trial"))?;
        for Trial { duration, layers, .. } in &self.trials {
            if !(duration.is_finite() && *duration > 0.0) {
                return Err(PlotError::Duration { duration: *duration });
            }
            if layers.is_empty() {
                return Err(empty("layer"));
            }
        }
        for (layer, names, _) in &self.names {
            let layers = self.trials.iter().flat_map(|trial| &trial.layers);
            let mut layers = layers.filter(|(name, _)| name == layer).peekable();
            if layers.peek().is_none() {
                return Err(PlotError::NoSuchName { name: layer.clone() });
            }
            let found = names.len();
            if let Some((_, other)) = layers.find(|(_, spikes)| spikes.channels() != found) {
                let what = format!("names of the channels of `{layer}`");
                return Err(PlotError::Count { what, found, expected: other.channels() });
            }
        }
        let places = self.trials.iter().map(|trial| trial.places(longest));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let bands = self.bands(longest);
        let names = longest.layers.iter().flat_map(|(layer, _)| self.names_of(layer).0);
        let left = 75 + names.map(|name| width(name, SMALL) + 15).max().unwrap_or(0);
        let wide = [1200, 800, 560][self.trials.len().min(3) - 1];
        let top = if self.trials.iter().all(|t| t.title.is_empty()) { 25 } else { 85 };
        let columns = self.trials.len();
        let bottom = bands.last().map_or(0, |(_, end)| *end);
        let size = (left + wide * columns as i32, top + bottom + 100);
        picture(size, |root| {
            for (k, (layer, _)) in longest.layers.iter().enumerate() {
                let (start, end) = bands[k];
                let size = TEXT.min((end - start) * TEXT / width(layer, TEXT).max(1));
                upright(root, layer, (30, top + (start + end) / 2), size, HPos::Center, INK)?;
                let (names, classes) = self.names_of(layer);
                let row = f64::from(end - start) / names.len().max(1) as f64;
                for (n, name) in names.iter().enumerate() {
                    let y = top + start + ((n as f64 + 0.5) * row) as i32;
                    let ink = if classes { class_colour(n) } else { INK };
                    note(root, name, (left - 8, y), HPos::Right, ink)?;
                }
            }
            let (_, body) = root.split_horizontally(left - 15);
            let areas = body.split_evenly((1, columns));
            for ((trial, places), area) in self.trials.iter().zip(&places).zip(areas) {
                title(&area, &trial.title, (15, 45))?;
                let time = Scale::linear("time (ms)", 0.0..trial.duration, 5.0);
                let frame = axes(&area, [top, 30, 80, 0], time, Scale::bare(), false)?;
                let (x, y) = area.get_base_pixel();
                let place = |t: f64| frame.backend_coord(&(t, 0.0)).0 - x;
                let origin = frame.backend_coord(&(0.0, 1.0)).1 - y;
                for (&k, (layer, spikes)) in places.iter().zip(&trial.layers) {
                    let band = (origin + bands[k].0, origin + bands[k].1);
                    let back = [(place(0.0), band.0), (place(trial.duration), band.1)];
                    area.draw(&Rectangle::new(back, pale(GREY, 0.92).filled()))?;
                    let classes = self.names_of(layer).1;
                    let ink = |n| match (classes, k) {
                        (true, _) => class_colour(n),
                        (_, 0) => INK,
                        _ => [PURPLE, BLUE, GREEN][(k - 1) % 3],
                    };
                    let row = f64::from(band.1 - band.0) / spikes.channels().max(1) as f64;
                    let thick = match row {
                        row if row > 12.0 => 5,
                        row if row > 4.0 => 4,
                        _ => 2,
                    };
                    let mut seen = HashSet::new();
                    for (n, times) in spikes.iter().enumerate() {
                        let start = band.0 + (n as f64 * row + 0.08 * row) as i32;
                        let end = (start + (0.84 * row) as i32).max(start + 2);
                        for &t in times.iter().filter(|t| **t <= trial.duration) {
                            let x = place(t) - thick / 2;
                            if seen.insert((x, start)) {
                                let mark = [(x, start), (x + thick, end)];
                                area.draw(&Rectangle::new(mark, ink(n).filled()))?;
                            }
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// From where to where each layer reaches, in pixels: high enough for names, and higher for more channels.
    fn bands(&self, trial: &Trial<'_>) -> Vec<(i32, i32)> {
        let mut start = 0;
        let band = |(layer, spikes): &(String, &SpikeTrains)| {
            let named = 36 * self.names_of(layer).0.len() as i32;
            let height = (12 * spikes.channels().min(100) as i32).clamp(90, 420).max(named);
            let from = start;
            start += height + 14;
            (from, from + height)
        };
        trial.layers.iter().map(band).collect()
    }

    /// The names of a layer's channels, if there are not too many, and whether they are classes.
    fn names_of(&self, layer: &str) -> (&[String], bool) {
        let found = self.names.iter().find(|(l, ..)| l == layer);
        found.map_or((&[], false), |(_, names, classes)| {
            (if names.len() <= NAMED { names } else { &[] }, *classes)
        })
    }
}
