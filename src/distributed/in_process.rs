//! Threads that pose as processes.

use super::{Communicator, DistributedError};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Ranks that are threads of one process: for tests, and to try a program before there is MPI.
///
/// A rank that is dropped is lost to the others.
#[derive(Debug)]
pub struct InProcess {
    rank: usize,
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Receiver<Vec<u8>>>,
}

impl InProcess {
    /// So many ranks, connected with each other: one for each thread.
    pub fn ranks(size: usize) -> Vec<Self> {
        let mut all: Vec<Self> =
            (0..size).map(|rank| Self { rank, to: Vec::new(), from: Vec::new() }).collect();
        for sender in 0..size {
            let mut to = Vec::with_capacity(size);
            for receiver in &mut all {
                let (send, receive) = channel();
                to.push(send);
                receiver.from.push(receive);
            }
            all[sender].to = to;
        }
        all
    }
}

impl Communicator for InProcess {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), DistributedError> {
        self.to[to].send(message.to_vec()).map_err(|_| lost(to))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, DistributedError> {
        self.from[from].recv().map_err(|_| lost(from))
    }
}

fn lost(rank: usize) -> DistributedError {
    DistributedError::Lost { rank, reason: "it has ended".into() }
}
