//! Networks in files.

use super::SpikingNetwork;
use crate::{Real, beside};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// That of files whose fields have the names and meanings of today.
const VERSION: u64 = 1;

/// Why a network could not be saved or loaded.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkFileError {
    /// The operating system refused to read.
    #[error("{}: cannot be read: {message}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kind of error.
        kind: io::ErrorKind,
        /// The system's own words.
        message: String,
    },
    /// The operating system refused to write, or the network has parts that cannot be stored.
    #[error("{}: cannot be written: {message}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The kind of error.
        kind: io::ErrorKind,
        /// What is wrong.
        message: String,
    },
    /// Not a file of [`SpikingNetwork::save`], a damaged one, or one with numbers beyond this precision.
    #[error("{}: not a network of this crate, or damaged: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// Of a version that this crate does not know.
    #[error(
        "{}: version {found} of the format, but this crate reads version {expected}",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// That of the file.
        found: u64,
        /// That of the crate.
        expected: u64,
    },
}

/// What is read before anything else.
#[derive(Deserialize)]
struct Header {
    eventprop_network: u64,
}

#[derive(Serialize, Deserialize)]
struct Content<N> {
    eventprop_network: u64,
    network: N,
}

impl<F: Real + Serialize + DeserializeOwned> SpikingNetwork<F> {
    /// Writes all of the network to a file, as JSON: layers, connections, values, and what is not trained. It is written
    /// beside and then in its place, so that after a crash the file is the old one or the new one; its folder is made. Numbers
    /// are kept to the last bit, and take some 20 bytes each. What is no part of the network is not there: the length of
    /// trials, the read-out, the names of classes, and which engine was asked for.
    ///
    /// ```
    /// use eventprop::{Dense, Lif, NetworkBuilder, SpikingNetwork};
    /// use rand::{SeedableRng, rngs::ChaCha8Rng};
    ///
    /// let mut net = NetworkBuilder::new();
    /// let input = net.input("input", 20);
    /// let output = net.layer("output", Lif::new(10));
    /// net.connect(input, output, Dense::weights(0.5).delays(2.0));
    /// let net = net.build(&mut ChaCha8Rng::seed_from_u64(1))?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("network.json");
    /// net.save(&path)?;
    /// let again: SpikingNetwork = SpikingNetwork::load(&path)?;
    /// # assert_eq!(again.to_string(), net.to_string());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the operating system refuses, a part of a type from outside of the crate, or a parameter that is not finite.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), NetworkFileError> {
        let path = path.as_ref();
        let content = Content { eventprop_network: VERSION, network: self };
        beside::write(path, |file| serde_json::to_writer(file, &content).map_err(io::Error::from))
            .map_err(|error| NetworkFileError::Write {
                path: path.into(),
                kind: error.kind(),
                message: error.to_string(),
            })
    }

    /// Reads a file of [`SpikingNetwork::save`]. The memory that it takes is a few times the size of the file. A file of the
    /// other precision is read as the decimal numbers that it has.
    ///
    /// Say which precision: `let net: SpikingNetwork = SpikingNetwork::load("net.json")?`, or `SpikingNetwork<f32>`.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or holds no network.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, NetworkFileError> {
        let path = path.as_ref();
        let text = fs::read(path).map_err(|error| NetworkFileError::Read {
            path: path.into(),
            kind: error.kind(),
            message: error.to_string(),
        })?;
        let wrong = |error: serde_json::Error| NetworkFileError::Content {
            path: path.into(),
            what: error.to_string(),
        };
        let Header { eventprop_network: found } = serde_json::from_slice(&text).map_err(wrong)?;
        if found != VERSION {
            return Err(NetworkFileError::Version { path: path.into(), found, expected: VERSION });
        }
        let content: Content<Self> = serde_json::from_slice(&text).map_err(wrong)?;
        Ok(content.network)
    }
}
