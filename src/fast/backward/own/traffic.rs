//! The spikes that reach a group through a projection, source by source.

use crate::fast::afferent::{Afferent, Flight};
use crate::fast::fan::Fan;
use crate::fast::grid::Grid;
use crate::{Real, SpikeTrains};
use std::ops::Range;

/// The spikes of one source.
#[derive(Debug)]
pub(super) struct Queue<F> {
    pub flights: Vec<Flight<F>>,
    /// Those of them that are on their way: spikes of one source arrive in the order in which they were sent.
    pub flying: Range<usize>,
}

/// The spikes of all sources of a projection.
#[derive(Debug, Default)]
pub(super) struct Traffic<F> {
    /// Some may be left from a projection with more sources.
    queues: Vec<Queue<F>>,
    sources: usize,
}

impl<F: Real> Traffic<F> {
    /// All spikes of the sources of an afferent before `duration`.
    pub fn fill(
        &mut self,
        afferent: &Afferent<F>,
        grid: &Grid,
        trains: &SpikeTrains,
        duration: f64,
    ) {
        self.sources = afferent.fans.sources;
        let queues = self.queues.len().max(self.sources);
        self.queues.resize_with(queues, || Queue { flights: Vec::new(), flying: 0..0 });
        for (source, queue) in self.queues().iter_mut().enumerate() {
            let train = trains.channel(afferent.origin.first() + source);
            let within = train.iter().take_while(|&&time| time < duration);
            queue.flights.clear();
            queue.flights.extend(within.map(|&time| afferent.flight(grid, time, source)));
        }
    }

    /// By source.
    pub fn queues(&mut self) -> &mut [Queue<F>] {
        &mut self.queues[..self.sources]
    }

    /// All spikes at their last arrival through a fan.
    pub fn rewind(&mut self, fan: &Fan<F>, duration: f64) {
        for (source, Queue { flights, flying }) in self.queues().iter_mut().enumerate() {
            let range = fan.of(source);
            let branches = &fan.branches[range.clone()];
            *flying = flights.len()..flights.len();
            for flight in flights {
                let within = match branches.last() {
                    Some(last) if flight.time + last.delay >= duration => {
                        branches.partition_point(|b| flight.time + b.delay < duration)
                    }
                    _ => branches.len(),
                };
                flight.next = (range.start + within) as u32;
            }
        }
    }
}
