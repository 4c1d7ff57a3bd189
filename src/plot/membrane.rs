//! Membrane traces.

use super::scale::{Scale, extent};
use super::style::{BLUE, GREY, Legend, Mark, VERMILLION, axes, note, picture};
use super::{Picture, PlotError};
use crate::{Network, Real, Recording, Trace};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// How many places of the trial are sampled, spikes aside.
const SAMPLES: usize = 700;

/// The potentials of some neurons of a layer during a trial, with their threshold and spikes.
///
/// Potentials are sampled for the picture and for nothing else; spikes and resets are where they are.
///
/// ```
/// # use eventprop::{Dense, Lif, Network, NetworkBuilder, SpikeTrains};
/// # use rand::{SeedableRng, rngs::ChaCha8Rng};
/// # let mut net = NetworkBuilder::<f64>::new();
/// # let input = net.input("input", 1);
/// # let hidden = net.layer("hidden", Lif::new(5));
/// # net.connect(input, hidden, Dense::weights(9.0).delays(1.0));
/// # let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
/// use eventprop::plot::Membranes;
/// let trace = net.forward(&SpikeTrains::from_channels([[2.0, 9.0]])?, 50.0)?;
/// let picture = Membranes::new(&net, &trace, 0).neurons([0, 3]).draw()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Membranes<'a, F: Real, N: ?Sized> {
    net: &'a N,
    trace: &'a Trace<F>,
    layer: usize,
    neurons: Option<Vec<usize>>,
}

/// A neuron's trial.
struct Course {
    neuron: usize,
    potential: Vec<(f64, f64)>,
    threshold: Vec<(f64, f64)>,
    spikes: Vec<f64>,
}

impl<'a, F: Real, N: Network<F> + ?Sized> Membranes<'a, F, N> {
    /// Of the first three neurons of a layer.
    pub fn new(net: &'a N, trace: &'a Trace<F>, layer: usize) -> Self {
        Self { net, trace, layer, neurons: None }
    }

    /// Of these neurons instead.
    pub fn neurons(self, neurons: impl IntoIterator<Item = usize>) -> Self {
        Self { neurons: Some(neurons.into_iter().collect()), ..self }
    }

    /// Draws them.
    ///
    /// # Errors
    /// If there is no such layer or neuron or no neuron at all, or the trace is not of this network with its present
    /// parameters.
    pub fn draw(&self) -> Result<Picture, PlotError> {
        let Self { net, trace, layer, .. } = *self;
        if layer >= net.layers() {
            return Err(PlotError::NoSuchLayer { layer, layers: net.layers() });
        }
        let recording = net.record(trace, layer)?;
        let few = || (0..recording.neurons().min(3)).collect();
        let neurons = self.neurons.clone().unwrap_or_else(few);
        if neurons.is_empty() {
            return Err(PlotError::Empty { picture: "membrane traces", what: "neuron" });
        }
        let courses = neurons.into_iter().map(|n| course(&recording, n));
        let courses = courses.collect::<Result<Vec<_>, _>>()?;
        let name = net.layer_info(layer).0;
        let spiking = courses.iter().any(|c| !c.threshold.is_empty());
        let entries = [(Mark::Line(2), GREY, "threshold"), (Mark::Line(4), VERMILLION, "spike")];
        let first = (Mark::Line(4), BLUE, "potential");
        let entries = entries.into_iter().filter(|_| spiking);
        let legend = Legend::new([first].into_iter().chain(entries), 1200);
        let (head, each) = (30 + legend.height, 300);
        let last = courses.len() as i32 - 1;
        picture((1400, head + each * (last + 1) + 60), |root| {
            legend.draw(root, (110, 20))?;
            let (_, mut rest) = root.split_vertically(head);
            for (k, course) in courses.iter().enumerate() {
                // Only the lowest one has a time axis.
                let is_last = k as i32 == last;
                let (area, below) = rest.split_vertically(if is_last { each + 60 } else { each });
                let across = if is_last { "time (ms)" } else { "" };
                course.draw(&area, name, across, trace.duration())?;
                rest = below;
            }
            Ok(())
        })
    }
}

fn course<F: Real>(recording: &Recording<'_, F>, neuron: usize) -> Result<Course, PlotError> {
    let duration = recording.duration();
    // The neuron is checked here, before its channel is asked for.
    recording.potential(neuron, 0.0)?;
    let spikes = recording.spikes().channel(neuron).to_vec();
    // Just before each spike, and as soon after it as shows.
    let after = |t: f64| (t + 1e-6 * duration).min(duration);
    let around = spikes.iter().flat_map(|&t| [t, after(t)]);
    let even = (0..=SAMPLES).map(|k| duration * k as f64 / SAMPLES as f64);
    let mut times: Vec<f64> = even.chain(around).collect();
    times.sort_by(f64::total_cmp);
    let mut course = Course { neuron, potential: vec![], threshold: vec![], spikes };
    for t in times.into_iter().map(|t| t.min(duration)) {
        course.potential.push((t, recording.potential(neuron, t)?.as_f64()));
        if let Some(threshold) = recording.threshold(neuron, t)? {
            course.threshold.push((t, threshold.as_f64()));
        }
    }
    Ok(course)
}

impl Course {
    fn draw(
        &self,
        area: &super::style::Area<'_>,
        layer: &str,
        across: &str,
        duration: f64,
    ) -> Result<(), PlotError> {
        let all = self.potential.iter().chain(&self.threshold).map(|(_, v)| *v);
        let (low, high) = extent(all).unwrap_or((0.0, 1.0));
        let (low, high) = (low.min(0.0), if high > low { high } else { low + 1.0 });
        let room = 0.3 * (high - low);
        let top = if self.spikes.is_empty() { high + 0.08 * room } else { high + room };
        let time = Scale::linear(across, 0.0..duration, 8.0);
        let y = Scale::linear("potential", low - 0.05 * room..top, 4.0);
        let bottom = if across.is_empty() { 20 } else { 80 };
        let mut frame = axes(area, [45, 30, bottom, 95], time, y, true)?;
        let count = self.spikes.len();
        let spikes = match count {
            1 => "1 spike".into(),
            _ => format!("{count} spikes"),
        };
        let text = match self.threshold.is_empty() {
            true => format!("{layer}, neuron {}", self.neuron),
            false => format!("{layer}, neuron {}: {spikes}", self.neuron),
        };
        note(area, &text, (120, 25), HPos::Left, GREY)?;
        let finite = |p: &&(f64, f64)| p.1.is_finite();
        for dash in self.threshold.chunks(9) {
            let dash: Vec<_> = dash.iter().take(6).filter(finite).copied().collect();
            frame.draw_series([PathElement::new(dash, GREY.stroke_width(2))])?;
        }
        let marks = self.spikes.iter().map(|&t| {
            let k = self.threshold.partition_point(|(at, _)| *at < t);
            let from = self.threshold.get(k).map_or(high, |(_, v)| *v);
            PathElement::new(vec![(t, from), (t, from + 0.7 * room)], VERMILLION.stroke_width(4))
        });
        frame.draw_series(marks)?;
        let path: Vec<_> = self.potential.iter().filter(finite).copied().collect();
        frame.draw_series([PathElement::new(path, BLUE.stroke_width(3))])?;
        Ok(())
    }
}
