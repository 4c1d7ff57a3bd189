//! Generated input.

use super::{Load, Workload};
use eventprop::SpikeTrains;
use eventprop::data::YinYang;
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Normal};

const CHANNELS: usize = 700;
const CLASSES: usize = 20;
/// The share of the spikes of a class that belongs to none of its bumps.
const BACKGROUND: f64 = 0.15;

/// Samples, their labels, and the length of a trial in ms.
#[derive(Debug)]
pub struct Inputs {
    pub samples: Vec<SpikeTrains>,
    pub labels: Vec<usize>,
    pub channels: usize,
    pub classes: usize,
    pub duration: f64,
}

impl Inputs {
    /// Samples for a load; the same for every call.
    ///
    /// Spikes of the feedforward load are spread evenly over all channels and the first 80 % of the
    /// trial. Those of the larger loads lie in four bumps in time and channel that belong to the class,
    /// and in a background: statistics of spoken words.
    pub fn generate(load: &Load, samples: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        if load.workload == Workload::YinYang {
            let points = YinYang::default().sample(samples, &mut rng);
            return Self {
                samples: points.iter().map(YinYang::spikes).collect(),
                labels: points.iter().map(|p| p.class).collect(),
                channels: YinYang::CHANNELS,
                classes: YinYang::CLASSES,
                duration: load.trial,
            };
        }
        let labels: Vec<usize> = (0..samples).map(|k| k % CLASSES).collect();
        let classes: Vec<[Bump; 4]> =
            (0..CLASSES).map(|_| [(); 4].map(|()| Bump::draw(&mut rng))).collect();
        let mut sample = |label: usize| {
            let event = |_| {
                let (time, channel) = match load.workload {
                    Workload::Feedforward => (0.8 * rng.random::<f64>(), rng.random()),
                    _ if rng.random_bool(BACKGROUND) => (rng.random(), rng.random()),
                    _ => classes[label][rng.random_range(0..4)].event(&mut rng),
                };
                (time * load.trial, (channel * CHANNELS as f64) as usize)
            };
            let events: Vec<_> = (0..load.input_spikes).map(event).collect();
            SpikeTrains::from_events(CHANNELS, events).expect("times and channels are in range")
        };
        let samples = labels.iter().map(|&label| sample(label)).collect();
        Self { samples, labels, channels: CHANNELS, classes: CLASSES, duration: load.trial }
    }
}

/// Where spikes of a class gather: shares of the trial and of the channels.
struct Bump {
    time: Normal<f64>,
    channel: Normal<f64>,
}

impl Bump {
    fn draw(rng: &mut impl Rng) -> Self {
        let mut normal = |centre: [f64; 2], width: [f64; 2]| {
            let mean = rng.random_range(centre[0]..centre[1]);
            let sd = rng.random_range(width[0]..width[1]);
            Normal::new(mean, sd).expect("widths are finite")
        };
        Self { time: normal([0.1, 0.7], [0.06, 0.11]), channel: normal([0.07, 0.93], [0.03, 0.08]) }
    }

    fn event(&self, rng: &mut impl Rng) -> (f64, f64) {
        loop {
            let event = (self.time.sample(rng), self.channel.sample(rng));
            if (0.0..1.0).contains(&event.0) && (0.0..1.0).contains(&event.1) {
                return event;
            }
        }
    }
}
