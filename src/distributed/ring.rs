//! Sums over all processes, in the order of their ranks.
//!
//! The running total travels along the ranks: 0, 1, 2, ... Each adds its own part to it and sends it on; the
//! last one has the sum, which travels on to the others: 0, 1, ... So additions happen in one order, as in a
//! single process, and their rounding too. Long lists are cut into segments, so that all ranks add at the same
//! time, each another segment.

use super::error::Failure;
use super::{Communicator, DistributedError};
use crate::Real;
use serde::{Deserialize, Serialize};

/// Numbers in a segment.
const SEGMENT: usize = 8192;

/// What goes ahead of the segments.
#[derive(Serialize, Deserialize)]
struct Head {
    /// The number of values that follow, unless the sender failed.
    values: usize,
    /// What else is summed up, or why there is no sum.
    outcome: Result<Vec<u8>, Failure>,
}

/// Adds up over all ranks, in their order. `head` is what there is before the first rank, and in the end the
/// sum; `add` adds what this rank has to it, or says why there is nothing. `values` likewise, by
/// `add_values(start, values from there on)`.
///
/// All ranks must call it, also one that fails. They get the same result, but for the kind of error.
pub(super) fn sum<F: Real>(
    ranks: &dyn Communicator,
    head: Vec<u8>,
    add: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, String>,
    values: &mut [F],
    add_values: impl Fn(usize, &mut [F]),
) -> Result<Vec<u8>, DistributedError> {
    let (rank, size) = (ranks.rank(), ranks.size());
    let last = size - 1;
    let count = values.len();
    let first = Head { values: count, outcome: Ok(head) };
    let incoming = if rank == 0 { first } else { receive_any(ranks, rank - 1)? };
    let arrives = rank > 0 && incoming.outcome.is_ok();
    let fits = incoming.values == count;
    let outcome = incoming.outcome.and_then(|head| {
        let misfit = || {
            let (before, values) = (rank - 1, incoming.values);
            format!("it sums up {count} values, but rank {before} {values}: all ranks need the same program, network, samples and settings")
        };
        let added = if fits { add(head) } else { Err(misfit()) };
        added.map_err(|reason| Failure { rank, reason })
    });
    if arrives && !fits {
        drain(ranks, rank - 1, incoming.values)?;
    }
    if rank < last {
        send_head(ranks, rank + 1, count, &outcome)?;
    }
    let mut buffer = Vec::new();
    for (number, segment) in values.chunks_mut(SEGMENT).enumerate() {
        if arrives && fits {
            receive_values(ranks, rank - 1, segment)?;
        }
        if outcome.is_ok() {
            add_values(number * SEGMENT, segment);
            if rank < last {
                send_values(ranks, rank + 1, segment, &mut buffer)?;
            }
        }
    }
    // The last one passes on to the first what is complete, and so on up to the one before it. Not earlier: were
    // it to wait for the first, which still sends, all might wait for each other.
    let outcome = if rank == last {
        outcome
    } else {
        receive_head(ranks, (rank + last) % size, values.len())?
    };
    let next = (rank + 1) % size;
    if next != last && size > 1 {
        send_head(ranks, next, values.len(), &outcome)?;
    }
    if outcome.is_ok() {
        for segment in values.chunks_mut(SEGMENT) {
            if rank != last {
                receive_values(ranks, (rank + last) % size, segment)?;
            }
            if next != last && size > 1 {
                send_values(ranks, next, segment, &mut buffer)?;
            }
        }
    }
    outcome.map_err(DistributedError::Failed)
}

/// Takes part in the next sum of the others, whatever it is, as one that has failed.
pub(super) fn fail(ranks: &dyn Communicator, reason: &str) {
    // Who is lost already learns nothing from it.
    let _ = try_fail(ranks, reason);
}

fn try_fail(ranks: &dyn Communicator, reason: &str) -> Result<(), DistributedError> {
    let (rank, size) = (ranks.rank(), ranks.size());
    let last = size - 1;
    let mut outcome = Failure { rank, reason: reason.to_owned() };
    if rank > 0 {
        let Head { values, outcome: incoming } = receive_any(ranks, rank - 1)?;
        match incoming {
            Ok(_) => drain(ranks, rank - 1, values)?,
            Err(failure) => outcome = failure,
        }
    }
    let outcome = Err(outcome);
    if rank < last {
        send_head(ranks, rank + 1, 0, &outcome)?;
        receive_any(ranks, (rank + last) % size)?;
    }
    let next = (rank + 1) % size;
    if next != last && size > 1 {
        send_head(ranks, next, 0, &outcome)?;
    }
    Ok(())
}

/// Takes what another sends after its head, and forgets it: else it would wait.
fn drain(ranks: &dyn Communicator, from: usize, values: usize) -> Result<(), DistributedError> {
    (0..values.div_ceil(SEGMENT)).try_for_each(|_| ranks.receive(from).map(|_| ()))
}

fn send_head(
    ranks: &dyn Communicator,
    to: usize,
    values: usize,
    outcome: &Result<Vec<u8>, Failure>,
) -> Result<(), DistributedError> {
    ranks.send(to, &encode(&Head { values, outcome: outcome.clone() }))
}

fn receive_any(ranks: &dyn Communicator, from: usize) -> Result<Head, DistributedError> {
    decode(&ranks.receive(from)?, from)
}

fn receive_head(
    ranks: &dyn Communicator,
    from: usize,
    expected: usize,
) -> Result<Result<Vec<u8>, Failure>, DistributedError> {
    let Head { values, outcome } = receive_any(ranks, from)?;
    if outcome.is_ok() && values != expected {
        let reason = format!("it sums up {values} values, but this one {expected}");
        return Err(DistributedError::OutOfStep { rank: from, reason });
    }
    Ok(outcome)
}

fn send_values<F: Real>(
    ranks: &dyn Communicator,
    to: usize,
    values: &[F],
    buffer: &mut Vec<u8>,
) -> Result<(), DistributedError> {
    buffer.clear();
    buffer.extend(values.iter().flat_map(|x| x.as_f64().to_le_bytes()));
    ranks.send(to, buffer)
}

fn receive_values<F: Real>(
    ranks: &dyn Communicator,
    from: usize,
    values: &mut [F],
) -> Result<(), DistributedError> {
    let bytes = ranks.receive(from)?;
    if bytes.len() != 8 * values.len() {
        let reason = format!("it sent {} bytes in place of {} numbers", bytes.len(), values.len());
        return Err(DistributedError::OutOfStep { rank: from, reason });
    }
    for (value, number) in values.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut bits = [0; 8];
        bits.copy_from_slice(number);
        *value = F::of(f64::from_le_bytes(bits));
    }
    Ok(())
}

/// As bytes. Numbers keep all of their bits.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("plain data has a form in bytes")
}

pub(super) fn decode<'a, S: Deserialize<'a>>(
    bytes: &'a [u8],
    rank: usize,
) -> Result<S, DistributedError> {
    postcard::from_bytes(bytes).map_err(|_| DistributedError::OutOfStep {
        rank,
        reason: format!("its message of {} bytes is not the one that is due", bytes.len()),
    })
}
