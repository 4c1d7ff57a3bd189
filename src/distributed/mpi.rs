//! Processes that MPI has started.

use super::{Communicator, DistributedError};
use mpi::Threading;
use mpi::environment::Universe;
use mpi::point_to_point::{Destination, Source};
use mpi::topology::{Communicator as _, SimpleCommunicator};
use std::fmt;

/// All processes that `mpirun` has started together.
///
/// Call [`Mpi::finish`] when all is done. If it is dropped without, by an error that is returned or by a panic, it ends
/// all processes with exit code 1 (`MPI_Abort`), so that none waits for one that is gone: print an error before. When a
/// process is killed, `mpirun` does the same.
pub struct Mpi {
    world: SimpleCommunicator,
    /// Ends MPI when it is dropped.
    _universe: Universe,
    finished: bool,
}

impl Mpi {
    /// Connects this process with the others. Once per process; without `mpirun` there is one rank.
    ///
    /// # Errors
    /// If MPI has been started before.
    pub fn start() -> Result<Self, DistributedError> {
        // Only the thread that trains sends and receives.
        let (universe, _) =
            mpi::initialize_with_threading(Threading::Funneled).ok_or_else(|| {
                DistributedError::Start { reason: "MPI has been started before".into() }
            })?;
        Ok(Self { world: universe.world(), _universe: universe, finished: false })
    }

    /// Waits for all processes to finish, and ends MPI.
    pub fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if !self.finished {
            self.world.abort(1);
        }
    }
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi").field("rank", &self.rank()).field("size", &self.size()).finish()
    }
}

impl Communicator for Mpi {
    // MPI numbers processes from 0 by `i32`, and ends all of them when a message fails.
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), DistributedError> {
        self.world.process_at_rank(to as i32).send(message);
        Ok(())
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, DistributedError> {
        Ok(self.world.process_at_rank(from as i32).receive_vec::<u8>().0)
    }
}
