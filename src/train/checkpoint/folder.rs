//! A folder of checkpoints.

use super::{Checkpoint, CheckpointError};
use crate::train::fit::{Resumed, Run};
use crate::train::trainer::Settings;
use crate::{Network, Real};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How many checkpoints are kept: should the last one be damaged, there is another.
const KEPT: usize = 2;

/// Where and how often a [`Trainer`](crate::train::Trainer) writes checkpoints. Each is written beside and then put in
/// its place, so a kill at any moment leaves the one before. The last two are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Checkpoints {
    folder: PathBuf,
    every: usize,
    resume: bool,
}

impl Checkpoints {
    /// In this folder, which is made if need be, after each epoch: `epoch-000006.safetensors` after six. Training starts
    /// afresh, and refuses to if there are checkpoints.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), every: 1, resume: false }
    }

    /// After every so many epochs, and after the last one; 0 means the last one alone. A checkpoint holds the history of all
    /// epochs, so in runs of thousands of short ones each takes longer than the one before.
    pub fn every(mut self, epochs: usize) -> Self {
        self.every = epochs;
        self
    }

    /// Whether to go on from the newest good checkpoint of the folder. Without one training starts afresh.
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }
}

/// The newest good checkpoint of a folder.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Latest {
    /// Its file and itself, if there is one.
    pub found: Option<(PathBuf, Checkpoint)>,
    /// What is wrong with newer ones; each error names its file.
    pub skipped: Vec<CheckpointError>,
}

impl Checkpoint {
    /// Reads a file. The memory that it takes is a few times the size of the file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is no checkpoint.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|e| CheckpointError::io(&e).at(path))?;
        Self::from_bytes(&bytes).map_err(|e| e.at(path))
    }

    /// Writes a file, beside and then in its place.
    ///
    /// # Errors
    /// What the operating system refuses, and a parameter that is not finite.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|e| e.at(path))?;
        let written = crate::beside::write(path, |file| file.write_all(&bytes));
        written.map_err(|e| CheckpointError::io(&e).at(path))
    }

    /// The newest good checkpoint that a [`Trainer`](crate::train::Trainer) left in a folder; a folder that is not there has
    /// none. Damaged ones are skipped.
    ///
    /// # Errors
    /// A folder or a file that cannot be read, or a file of another version: it may be as good as any.
    pub fn latest_good(folder: impl AsRef<Path>) -> Result<Latest, CheckpointError> {
        let mut skipped = Vec::new();
        for (_, path) in list(folder.as_ref())?.into_iter().rev() {
            match Self::load(&path) {
                Ok(checkpoint) => return Ok(Latest { found: Some((path, checkpoint)), skipped }),
                Err(error) if error.is_damage() => skipped.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(Latest { found: None, skipped })
    }
}

fn name(epoch: usize) -> String {
    format!("epoch-{epoch:06}.safetensors")
}

/// The checkpoints of a folder with their epochs, in order.
fn list(folder: &Path) -> Result<Vec<(usize, PathBuf)>, CheckpointError> {
    let failed = |e: io::Error| CheckpointError::io(&e).at(folder);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let file = entry.file_name();
        let epoch =
            file.to_str().and_then(|f| f.strip_prefix("epoch-")?.strip_suffix(".safetensors"));
        // A link to a file is one.
        let path = entry.path();
        if let Some(epoch) = epoch.and_then(|e| e.parse().ok()).filter(|_| path.is_file()) {
            found.push((epoch, path));
        }
    }
    found.sort();
    Ok(found)
}

impl Settings {
    /// Goes on from a checkpoint, if that is asked for and there is one; returns its file, and what was skipped.
    pub(in crate::train) fn resume<F: Real>(
        &self,
        network: &mut dyn Network<F>,
        run: &mut Run<'_, F>,
        named: &BTreeMap<String, String>,
    ) -> Result<Resumed, CheckpointError> {
        let Some(Checkpoints { folder, resume, .. }) = &self.checkpoints else {
            return Ok((None, Vec::new()));
        };
        fs::create_dir_all(folder).map_err(|e| CheckpointError::io(&e).at(folder))?;
        if !resume {
            let occupied = !list(folder)?.is_empty();
            let error = || CheckpointError::Occupied.at(folder);
            return if occupied { Err(error()) } else { Ok((None, Vec::new())) };
        }
        let Latest { found, skipped } = Checkpoint::latest_good(folder)?;
        let skipped = skipped.iter().map(ToString::to_string).collect();
        let Some((path, checkpoint)) = found else {
            return Ok((None, skipped));
        };
        checkpoint.resume(network, run, named).map_err(|e| e.at(&path))?;
        Ok((Some(path), skipped))
    }

    /// Refuses a folder in which nothing can be written: now, and not after hours of training.
    pub(in crate::train) fn check_folder(&self) -> Result<(), CheckpointError> {
        let Some(Checkpoints { folder, .. }) = &self.checkpoints else {
            return Ok(());
        };
        crate::beside::check_folder(folder).map_err(|e| CheckpointError::io(&e).at(folder))
    }

    /// Writes a checkpoint if one is due.
    pub(in crate::train) fn checkpoint<F: Real>(
        &self,
        network: &dyn Network<F>,
        run: &mut Run<'_, F>,
        named: &BTreeMap<String, String>,
        last: bool,
    ) -> Result<(), CheckpointError> {
        let Some(Checkpoints { folder, every, .. }) = &self.checkpoints else {
            return Ok(());
        };
        let done = run.history.epochs.len();
        if !last && (*every == 0 || done % every != 0) {
            return Ok(());
        }
        Checkpoint::of_run(network, run, named.clone())?.save(folder.join(name(done)))?;
        // Those with a higher number are damaged ones that this run will write anew.
        let mut older = list(folder)?;
        older.retain(|(epoch, _)| *epoch <= done);
        for (_, path) in older.iter().rev().skip(KEPT) {
            // One that another program has open on Windows is removed some other time.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}
