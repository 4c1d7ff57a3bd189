//! The documents of the folder `docs`, as pages of this documentation. It has no code.
//!
#![doc = include_str!("guide/links.md")]
#![doc = include_str!("../docs/guide/README.md")]

/// A page, with links to the other pages in place of those to files: of two definitions of a link the first holds.
macro_rules! page {
    ($name:ident, $file:literal) => {
        #[doc = include_str!("guide/links.md")]
        #[doc = include_str!($file)]
        pub mod $name {}
    };
}

page!(concepts, "../docs/guide/concepts.md");
page!(first_network, "../docs/guide/first-network.md");
page!(delays, "../docs/guide/delays.md");
page!(objectives, "../docs/guide/objectives.md");
page!(neurons, "../docs/guide/neurons.md");
page!(exactness, "../docs/guide/exactness.md");
page!(data, "../docs/data.md");
page!(training, "../docs/training.md");
page!(performance, "../docs/guide/performance.md");
// Its examples want these features.
#[cfg(any(not(doctest), all(feature = "mlgenn", feature = "nir")))]
page!(interchange, "../docs/interchange.md");
page!(cookbook, "../docs/cookbook.md");
page!(porting, "../docs/porting.md");
page!(compare, "../docs/compare.md");
page!(measurements, "../docs/performance.md");
page!(results, "../docs/results.md");
page!(precision, "../docs/precision.md");
page!(scaling, "../docs/scaling.md");
page!(derivation, "../docs/derivation.md");
page!(design, "../docs/design.md");
page!(glossary, "../docs/glossary.md");
page!(references, "../docs/references.md");
