//! The adjoint of neurons that share their constants, as a function of time.

use crate::Real;
use crate::fast::grid::{exp_of, gain};
use crate::fast::plan::Pair;
use crate::layer::ModeBank;

/// The adjoint of a neuron between two of its spikes: M and all S_r, in the frame of the stretch.
///
/// Aligned so that it lies in one line of the caches.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Piece<const R: usize> {
    /// When the earlier of the two spikes was, if it has been passed.
    start: f64,
    mode: Pair<f64, R>,
}

/// The adjoint of some neurons over a stretch of time, taken from its end to its start.
#[derive(Debug)]
pub(in crate::fast) struct Course<const R: usize> {
    /// Neuron by neuron, latest first.
    pieces: Vec<Piece<R>>,
    /// Those of the stretch after it.
    passed: Vec<Piece<R>>,
    /// Of each neuron the latest of its pieces, and the earliest so far.
    latest: Vec<u32>,
    earliest: Vec<u32>,
    /// Neuron by neuron, the piece that each bucket ends in, counted from the latest: short, as it is read at random. Those
    /// from the greatest number on are found otherwise.
    table: Vec<u8>,
    buckets: Buckets,
}

/// Stretches of time that cover a window, all of the same length but the first and the last.
#[derive(Debug, Clone, Copy, Default)]
struct Buckets {
    count: usize,
    /// The last digit of a sum with it is as large as a bucket.
    rounding: f64,
}

impl Buckets {
    /// The bucket of a time: its distance from the start, rounded. It only matters that it never decreases with time.
    #[inline]
    fn at(&self, time: f64) -> usize {
        (time + self.rounding).to_bits() as u32 as usize
    }
}

/// That of one neuron.
#[derive(Debug, Clone, Copy)]
pub(in crate::fast) struct Line<'a, const R: usize> {
    /// Latest first.
    pieces: &'a [Piece<R>],
    table: &'a [u8],
    buckets: Buckets,
}

impl<const R: usize> Course<R> {
    pub fn new() -> Self {
        let (pieces, passed) = (Vec::new(), Vec::new());
        Self {
            pieces,
            passed,
            latest: Vec::new(),
            earliest: Vec::new(),
            table: Vec::new(),
            buckets: Buckets::default(),
        }
    }

    /// So many neurons, none of which fires any more.
    pub fn end(&mut self, neurons: usize) {
        self.pieces.clear();
        self.pieces.resize(neurons, Piece { start: f64::NEG_INFINITY, mode: Pair::zero() });
        self.earliest.clear();
        self.earliest.extend(0..neurons as u32);
    }

    /// One neuron, whose adjoint at the end of the stretch that follows is this.
    pub fn alone(&mut self, mode: Pair<f64, R>) {
        self.end(1);
        self.pieces[0].mode = mode;
    }

    /// Goes on with the stretch before this one, its neurons to follow in order. It starts at a multiple of the width of
    /// a bucket, or half of one before.
    pub fn turn(&mut self, start: f64, width: f64, buckets: usize) {
        let rounding = 1.5 / f64::EPSILON * width - (start / width).ceil() * width;
        self.buckets = Buckets { count: buckets + 1, rounding };
        self.table.clear();
        self.latest.clear();
        std::mem::swap(&mut self.pieces, &mut self.passed);
        self.pieces.clear();
    }

    /// The next neuron, which fires so many times in the stretch. Seen from its start instead of from that of the stretch
    /// after it, the adjoint changes by the decay from one to the other.
    pub fn follow(&mut self, neuron: usize, spikes: u32, decay: &Pair<f64, R>) {
        let earliest = &mut self.earliest[neuron];
        let mut piece = self.passed[*earliest as usize];
        piece.mode.scale(decay);
        piece.mode.forget_traces();
        *earliest = self.pieces.len() as u32;
        self.pieces.extend(std::iter::repeat_n(piece, spikes as usize + 1));
        self.latest.push(*earliest);
        self.table.extend(std::iter::repeat_n(0, self.buckets.count));
    }

    /// The adjoint of a neuron before all that has been passed.
    pub fn present(&self, neuron: usize) -> &Pair<f64, R> {
        &self.pieces[self.earliest[neuron] as usize].mode
    }

    /// Takes a neuron back over one of its spikes, given dL/dt of that and, if it fired before in the stretch, the time of
    /// that spike. The stretch starts at `start`.
    pub fn fire_back<F: Real>(
        &mut self,
        (neuron, bank): (usize, &ModeBank<F>),
        (spike, earlier): (f64, Option<f64>),
        (slope, by_time): (F, F),
        start: f64,
    ) {
        let x = spike - start;
        let mut before = *self.present(neuron);
        let tau_mem = bank.tau_mem().as_f64();
        let mut p = [F::of(before.mem * exp_of(x, tau_mem))];
        let after = p[0];
        bank.fire_back(slope, by_time, &mut p);
        let jump = (p[0] - after).as_f64();
        before.mem += jump * exp_of(-x, tau_mem);
        for (r, (syn, tau)) in before.syn.iter_mut().zip(bank.tau_syn()).enumerate() {
            *syn += gain(bank, r).as_f64() * jump * exp_of(-x, tau.as_f64());
        }
        self.pass(neuron, (spike, earlier), before);
    }

    /// Passes a spike, before which a neuron's adjoint is this.
    fn pass(&mut self, neuron: usize, (spike, earlier): (f64, Option<f64>), before: Pair<f64, R>) {
        let piece = &mut self.earliest[neuron];
        self.pieces[*piece as usize].start = spike;
        *piece += 1;
        self.pieces[*piece as usize] = Piece { start: f64::NEG_INFINITY, mode: before };
        let table = &mut self.table[neuron * self.buckets.count..];
        let from = earlier.map_or(0, |time| self.buckets.at(time));
        let place = u8::try_from(*piece - self.latest[neuron]).unwrap_or(u8::MAX);
        table[from..self.buckets.at(spike)].fill(place);
    }

    /// The adjoint of a neuron at a time after all that has not been passed. Where each read is of another neuron this is
    /// quicker than [`Course::of`], which is quicker where many are of one.
    #[inline]
    pub fn at(&self, neuron: usize, time: f64) -> &Pair<f64, R> {
        let place = self.table[neuron * self.buckets.count + self.buckets.at(time)];
        if place == u8::MAX {
            let (latest, earliest) = (self.latest[neuron], self.earliest[neuron]);
            return find_far(&self.pieces[latest as usize..=earliest as usize], time);
        }
        find(&self.pieces, self.latest[neuron] as usize + place as usize, time)
    }

    /// Of a neuron.
    #[inline]
    pub fn of(&self, neuron: usize) -> Line<'_, R> {
        Line {
            pieces: &self.pieces[self.latest[neuron] as usize..=self.earliest[neuron] as usize],
            table: &self.table[neuron * self.buckets.count..][..self.buckets.count],
            buckets: self.buckets,
        }
    }
}

impl<const R: usize> Line<'_, R> {
    /// See [`Course::at`].
    #[inline]
    pub fn at(&self, time: f64) -> &Pair<f64, R> {
        let place = self.table[self.buckets.at(time)];
        if place == u8::MAX {
            return find_far(self.pieces, time);
        }
        find(self.pieces, place as usize, time)
    }
}

/// The piece that holds at a time, if the table does not tell.
#[cold]
fn find_far<const R: usize>(pieces: &[Piece<R>], time: f64) -> &Pair<f64, R> {
    &pieces[pieces.partition_point(|piece| time < piece.start)].mode
}

/// The first piece from one on that holds at a time. A spike precedes an arrival of its time.
#[inline]
fn find<const R: usize>(pieces: &[Piece<R>], mut piece: usize, time: f64) -> &Pair<f64, R> {
    while time < pieces[piece].start {
        piece += 1;
    }
    &pieces[piece].mode
}

/// exp(-x / tau), mode by mode, in double precision: of a whole stretch single precision has no such number.
pub(in crate::fast) fn decay<F: Real, const R: usize>(bank: &ModeBank<F>, x: f64) -> Pair<f64, R> {
    let mut decay = Pair { mem: exp_of(-x, bank.tau_mem().as_f64()), syn: [0.0; R] };
    decay.syn.iter_mut().zip(bank.tau_syn()).for_each(|(d, tau)| *d = exp_of(-x, tau.as_f64()));
    decay
}
