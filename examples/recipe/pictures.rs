//! The pictures of a recipe.

use super::Result;
use eventprop::plot::{Histograms, Membranes, Picture, PlotError, Raster, Trial};
use eventprop::{Network, SpikeTrains, SpikingNetwork};
use std::path::PathBuf;

/// Pictures in a folder.
pub struct Pictures {
    folder: PathBuf,
    drawn: usize,
}

impl Pictures {
    /// In this folder, which is there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), drawn: 0 }
    }

    /// Saves a picture under a name without ending.
    pub fn save(
        &mut self,
        name: &str,
        picture: std::result::Result<Picture, PlotError>,
    ) -> Result<()> {
        picture?.save(self.folder.join(name).with_extension("svg"))?;
        self.drawn += 1;
        Ok(())
    }

    /// Weights and delays before and after training.
    pub fn parameters(&mut self, before: &SpikingNetwork, after: &SpikingNetwork) -> Result<()> {
        self.save("weights", Histograms::weights(before, after).draw())?;
        self.save("delays", Histograms::delays(before, after).draw())
    }

    /// Rasters of some samples, (title, input, duration in ms), and the potentials of the last layer for the first
    /// one. `prepare` may name channels.
    pub fn trials(
        &mut self,
        net: &SpikingNetwork,
        samples: &[(String, &SpikeTrains, f64)],
        prepare: impl Fn(Raster<'_>) -> Raster<'_>,
    ) -> Result<()> {
        let run = |(_, input, duration): &(_, &SpikeTrains, f64)| net.forward(input, *duration);
        let traces: Vec<_> = samples.iter().map(run).collect::<std::result::Result<_, _>>()?;
        let trials = samples.iter().zip(&traces);
        let trials = trials.map(|((title, ..), trace)| Trial::of(net, trace).title(title));
        self.save("raster", trials.fold(prepare(Raster::new()), Raster::trial).draw())?;
        match traces.first() {
            None => Ok(()),
            Some(trace) => {
                self.save("membranes", Membranes::new(net, trace, net.layers() - 1).draw())
            }
        }
    }

    /// Says where they are.
    pub fn announce(&self) {
        println!("{} pictures: {}/*.svg", self.drawn, self.folder.display());
    }
}
